"""Traces one training window of each kind through the augmentation steps."""

from __future__ import annotations

import numpy as np

from ...data.corpus import Folders, load_corpus
from ...evaluation.augmentation_page import Chain, chain
from ...signal.augment import Step, Watch, Window
from .examples import ALONE, MINED, TALK, Examples
from .recipe import KitRecipe
from .steps import mask_steps, mel_steps

_CLIPS = 500
"""Read of each folder: enough to draw from."""


def trace(recipe: KitRecipe, folders: Folders) -> list[Chain]:
    """A chain for each kind of window that these folders give.

    Args:
        recipe: its seed draws the windows.
        folders: of the data; speech is needed, all others are optional.

    Raises:
        InputError: as `load_corpus`.
    """
    corpus = load_corpus(folders, recipe.keywords, recipe.front_end.sample_rate_hz, "train", _CLIPS)
    examples = Examples(corpus, recipe)
    rng = np.random.default_rng(recipe.seed)
    word = next(int(number) for number in examples.plan(rng) if number >= 0)
    kinds = [("a word", word), ("background alone", ALONE)]
    if corpus.negatives:
        kinds.append(("continuous speech", TALK))
    if corpus.hard:
        kinds.append(("mined sound", MINED))
    steps = (examples.steps, mel_steps(recipe), mask_steps(recipe))

    def one(title: str, number: int) -> Chain:
        def draw(rng: np.random.Generator, steps: list[Step[Window]], watch: Watch[Window]) -> Window:
            return examples.window(number, rng, steps, watch)

        return chain(title, draw, steps, recipe.front_end, recipe.seed)

    return [one(title, number) for title, number in kinds]
