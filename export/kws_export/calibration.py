"""Real windows that show the converter which numbers to expect."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kws_device.errors import InputError
from kws_training.corpus import Corpus
from kws_training.examples import Examples
from kws_training.recipe import Recipe
from kws_training.windows import from_db

_DRAWN = 512
_LOUD_AND_SOFT = 96
_GAIN_DB = 20.0
# A stream of random numbers of its own, apart from those of the training epochs.
_STREAM = 1 << 31


def calibration_windows(corpus: Corpus, recipe: Recipe) -> NDArray[np.float32]:
    """Log-mels of training windows in the recipe's proportions, 20 dB louder and softer, and of silence.

    Returns:
        shape (n, frames, mels), in dB; seeded by the recipe.

    Raises:
        InputError: the windows hold nothing but silence.
    """
    examples = Examples(corpus, recipe)
    rng = np.random.default_rng([recipe.seed, _STREAM])
    plan = examples.plan(rng)
    plan = np.resize(plan, _DRAWN + 2 * _LOUD_AND_SOFT)
    sounds, _ = examples.draw(plan, rng)
    if not sounds.any():
        raise InputError("the training split holds nothing but silence; look at it with kws-data check")
    sounds[_DRAWN : _DRAWN + _LOUD_AND_SOFT] *= np.sqrt(from_db(_GAIN_DB))
    sounds[_DRAWN + _LOUD_AND_SOFT :] *= np.sqrt(from_db(-_GAIN_DB))
    silence = np.zeros((1, recipe.front_end.clip_samples), dtype=np.float32)
    return examples.mels(np.concatenate([sounds, silence]))
