"""Traces one training window of each kind through the augmentation steps of a verifier."""

from __future__ import annotations

import numpy as np

from ...evaluation.augmentation_page import Chain, chain
from ...signal.augment import Step, Watch, Window
from .examples import Examples
from .placement import Kind
from .recipe import VerifierRecipe
from .sound import TRAIN, SoundFolders, load_sounds
from .steps import mask_steps, mel_steps


def trace(recipe: VerifierRecipe, folders: SoundFolders) -> list[Chain]:
    """A chain for each kind of window that these folders give.

    Args:
        recipe: its seed draws the windows.
        folders: of the sound; speech is needed, all others are optional.

    Raises:
        InputError: as `load_sounds`.
    """
    sounds = load_sounds(folders, recipe.keywords, recipe.front_end.sample_rate_hz, TRAIN)
    examples = Examples(sounds, recipe)
    planned = set(examples.plan(np.random.default_rng(recipe.seed)).tolist())
    steps = (examples.steps, mel_steps(recipe), mask_steps(recipe))

    def one(kind: Kind) -> Chain:
        def draw(rng: np.random.Generator, steps: list[Step[Window]], watch: Watch[Window]) -> Window:
            return examples.window(kind, rng, steps, watch)

        return chain(kind.name.lower(), draw, steps, recipe.stretch, recipe.seed)

    return [one(kind) for kind in Kind if kind in planned]
