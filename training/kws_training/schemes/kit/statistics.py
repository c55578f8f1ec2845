"""Statistics of training windows: normalisation of the mel bands, and label frequencies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import Normalisation

from ...data.corpus import keyword_labels
from .examples import Examples
from .recipe import KitRecipe

_WINDOWS = 4096
_STREAM = 1 << 30
"""Of random numbers; the epochs' start at 0."""


def statistics(examples: Examples, recipe: KitRecipe) -> tuple[Normalisation, NDArray[np.float64]]:
    """What training windows are like.

    Returns:
        mean and standard deviation of each mel band; and the share of each keyword label in the targets,
        shape (labels,), none of them zero.
    """
    rng = np.random.default_rng([recipe.seed, _STREAM])
    plan = examples.plan(rng)[:_WINDOWS]
    heard, counts = [], np.ones(len(keyword_labels(recipe.keywords)))
    for i in range(0, len(plan), 256):
        sounds, targets = examples.draw(plan[i : i + 256], rng)
        heard.append(examples.mels(sounds))
        np.add.at(counts, targets.keyword, targets.keyword_weight)
    mels = np.concatenate(heard).reshape(-1, recipe.front_end.mels)
    normalisation = Normalisation(
        tuple(round(float(m), 4) for m in mels.mean(axis=0, dtype=np.float64)),
        tuple(round(float(s), 4) for s in mels.std(axis=0, dtype=np.float64)),
    )
    return normalisation, counts / counts.sum()
