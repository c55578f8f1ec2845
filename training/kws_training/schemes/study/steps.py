"""Traces an example through the steps of augmentation and mixing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...signal.mixing import draw_weights, fit_frames, mix
from .augmentation import augmented
from .examples import Examples
from .recipe import SpectrogramAugmentation, StudyRecipe
from .stages import Stage

_SWITCHES = ("erase_prob", "shift_share", "flip_prob", "mixup_alpha")
_CLIPS = 8

Step = tuple[str, NDArray[np.float32]]
"""What was done last, and the normalised log-mels after it, shape (frames, mels)."""


def steps(datasets: dict[str, Examples], recipe: StudyRecipe, stage: Stage) -> dict[str, list[Step]]:
    """The first example of a seeded batch of each dataset, after every step that the recipe has.

    Args:
        datasets: by head.
        recipe: says which steps there are; shares are taken as 1, so that every one can be seen.
        stage: gives the ratio at which two datasets are mixed.

    Returns:
        steps by dataset, and under `mixed` those of the mixture.
    """
    found: dict[str, list[Step]] = {}
    ends = []
    for head, examples in datasets.items():
        rng = np.random.default_rng(recipe.seed)
        batch, labels = examples.draw(rng.permutation(len(examples.labels))[:_CLIPS], rng)
        shown = [("as it is", batch[0])]
        off: dict[str, Any] = dict.fromkeys(_SWITCHES, 0.0)
        config = replace(recipe.augmentation, **off)
        for switch in _SWITCHES:
            if getattr(recipe.augmentation, switch):
                on: dict[str, Any] = {switch: _always(switch, recipe.augmentation)}
                config = replace(config, **on)
                # The same generator from its start: each step sees what the steps before it did.
                after, _ = augmented(batch, labels, config, np.random.default_rng(recipe.seed))
                shown.append((switch.rpartition("_")[0], after[0]))
        end = fit_frames(shown[-1][1][None], recipe.front_end.frames, rng)[0]
        shown.append(("to the common length", end))
        ends.append(end)
        found[head] = shown
    if len(ends) == 2:
        rng = np.random.default_rng(recipe.seed)
        weights = draw_weights(stage.ratio, stage.randomness, recipe.mixing.opposite, rng)
        title = f"{weights[0]:.2f} of the word, {weights[1]:.2f} of the scene"
        found["mixed"] = [(title, mix(ends[0], ends[1], weights))]
    return found


def _always(switch: str, config: SpectrogramAugmentation) -> float:
    return 1.0 if switch in ("erase_prob", "flip_prob") else float(getattr(config, switch))
