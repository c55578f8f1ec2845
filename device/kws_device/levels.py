"""Conversion of samples to floating point, and their level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SILENCE_DBFS = -99.0
"""The lowest level that is reported. The last bit of 16-bit sound is at -90 dBFS."""


def as_float(samples: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Samples of one channel as floating point with full scale 1.0.

    Args:
        samples: shape (n,); int16 (full scale 32768) becomes float32, floating point stays as it is.

    Raises:
        TypeError: samples of another type, whose full scale is unknown.
        ValueError: samples of another shape.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise ValueError(f"samples must be one channel, shape (n,), not {samples.shape}")
    if samples.dtype.type is np.int16:
        return samples * np.float32(1 / 32768)
    if not np.issubdtype(samples.dtype, np.floating):
        raise TypeError(f"samples must be floating point (full scale 1.0) or int16, not {samples.dtype}")
    return samples


def dbfs(amplitude: float) -> float:
    """The level of an amplitude, relative to full scale, 1.0; at least SILENCE_DBFS."""
    return max(SILENCE_DBFS, 20 * math.log10(amplitude)) if amplitude > 0 else SILENCE_DBFS


def peak(samples: NDArray[np.floating[Any]]) -> float:
    """The largest magnitude of samples, shape (n,), n above zero."""
    return float(np.abs(samples).max())


def rms(samples: NDArray[np.floating[Any]]) -> float:
    """The root of the mean square of samples, shape (n,), n above zero."""
    return math.sqrt(float(np.dot(samples, samples)) / len(samples))
