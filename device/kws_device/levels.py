"""How loud sound is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SILENCE_DBFS = -99.0
"""Stands for all that is below it: a 16-bit converter's last bit is -90, digital silence minus infinity."""


def dbfs(amplitude: float) -> float:
    """The level of an amplitude, relative to full scale, 1.0; at least SILENCE_DBFS."""
    return max(SILENCE_DBFS, 20 * math.log10(amplitude)) if amplitude > 0 else SILENCE_DBFS


def rms(samples: NDArray[np.floating[Any]]) -> float:
    """The root of the mean square of samples, shape (n,), n above zero."""
    return math.sqrt(float(np.dot(samples, samples)) / len(samples))
