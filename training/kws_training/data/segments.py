"""Windows of one second and their levels: the definitions that every figure of the kit rests on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SILENT_DBFS = -60.0
"""Sound below this level counts as nothing: such crops are redrawn, such scene windows left out."""
SILENCE_AS_SPEECH_DBFS = -26.0
"""The level at which `_silence_` stands in for speech when a background is mixed in."""

_WORD_ENERGY = (0.03, 0.97)
"""Of a clip's energy lies before the word's first and last sample."""


def power(samples: NDArray[np.floating[Any]]) -> float:
    """Mean square, full scale is 1.0; 0 for no samples."""
    return float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0


def from_db(db: float) -> float:
    """The power ratio of a level difference in dB."""
    return float(10 ** (db / 10))


def word_extent(clip: NDArray[np.float32]) -> tuple[int, int]:
    """First and last sample of the word in a clip, shape (n,), by its energy."""
    energy = np.cumsum(np.square(clip, dtype=np.float64))
    first, last = np.searchsorted(energy, np.multiply(_WORD_ENERGY, energy[-1]))
    return int(first), int(last)


def centred(clip: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """The clip centred in zeros, or cut centrally where it is longer; shape (length,)."""
    if len(clip) >= length:
        start = (len(clip) - length) // 2
        return clip[start : start + length]
    window = np.zeros(length, dtype=np.float32)
    start = (length - len(clip)) // 2
    window[start : start + len(clip)] = clip
    return window


def whole_windows(recording: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """Consecutive whole windows, shape (n, length); a recording shorter than one is padded."""
    if len(recording) < length:
        return centred(recording, length)[None]
    count = len(recording) // length
    return recording[: count * length].reshape(count, length)


def audible(windows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which windows, shape (n, length), are not below SILENT_DBFS; shape (n,)."""
    powers = np.mean(np.square(windows, dtype=np.float64), axis=1)
    return np.asarray(powers >= from_db(SILENT_DBFS))


def random_crop(
    recording: NDArray[np.float32], length: int, rng: np.random.Generator, tries: int = 50
) -> NDArray[np.float32] | None:
    """A random window that is not silent; None where `tries` draws found only silence.

    A recording shorter than the window is put at a random place in zeros.
    """
    for _ in range(tries):
        if len(recording) <= length:
            crop = np.zeros(length, dtype=np.float32)
            start = int(rng.integers(length - len(recording) + 1))
            crop[start : start + len(recording)] = recording
        else:
            start = int(rng.integers(len(recording) - length + 1))
            crop = recording[start : start + length]
        if power(crop) >= from_db(SILENT_DBFS):
            return crop
    return None


def background_gain(speech_power: float, background_power: float, snr_db: float) -> float:
    """What to multiply the background with, so that speech stands `snr_db` above it.

    SNR: mean square of the speech clip (without padding) over that of the background crop.
    """
    return float(np.sqrt(speech_power / background_power / from_db(snr_db)))
