"""What may happen to a window of sound, or to its spectrogram, before it trains the network."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

_KNOTS = 6
"""Points of a microphone's random response, evenly over the mel bands; straight lines between them."""
_HIGHEST_LOW_CUT = 0.2
_LOWEST_HIGH_CUT = 0.45
"""Of the mel bands; beyond it there is nothing."""
_SLOPE_DB = (2.0, 8.0)
"""By which each band beyond a cut is weaker than the one before."""


class SpectrumChange(Protocol):
    """What the table of a recipe says of microphones and masks."""

    @property
    def colour_db(self) -> float:
        """See `other_microphone`."""

    @property
    def narrow_share(self) -> float:
        """See `other_microphone`."""

    @property
    def time_masks(self) -> int:
        """See `blanked`, as for all that follow."""

    @property
    def time_mask_frames(self) -> int:
        """The longest."""

    @property
    def mel_masks(self) -> int:
        """How many."""

    @property
    def mel_mask_bands(self) -> int:
        """The widest."""


def faster(clip: NDArray[np.float32], by: float) -> NDArray[np.float32]:
    """The clip played `by` times as fast, its pitch higher by as much; shape (n / by,)."""
    return soxr.resample(clip, by, 1.0, quality="LQ")  # type: ignore[no-any-return]


def shifted(window: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """The window moved `by` samples later (earlier if negative), zeros moving in; shape kept."""
    result = np.zeros_like(window)
    if abs(by) >= len(window):
        return result
    if by >= 0:
        result[by:] = window[: len(window) - by]
    else:
        result[:by] = window[-by:]
    return result


def blanked(
    frames: NDArray[np.float32],
    rng: np.random.Generator,
    time_masks: int,
    time_mask_frames: int,
    mel_masks: int,
    mel_mask_bands: int,
) -> None:
    """Blank random stretches of frames and groups of bands of normalised mels, in place.

    Args:
        frames: shape (frames, mels), mean 0.
        rng: decides how wide, 0 up to the maximum, and where.
        time_masks: number of stretches of frames.
        time_mask_frames: the longest.
        mel_masks: number of groups of bands.
        mel_mask_bands: the widest.

    Source: SpecAugment, Park et al. 2019, without time warping.
    """
    for axis, count, widest in ((0, time_masks, time_mask_frames), (1, mel_masks, mel_mask_bands)):
        for width in rng.integers(widest + 1, size=count):
            start = int(rng.integers(frames.shape[axis] - width + 1))
            stretch = slice(start, start + int(width))
            frames[(stretch, slice(None)) if axis == 0 else (slice(None), stretch)] = 0


def masked(mels: NDArray[np.float32], rng: np.random.Generator, change: SpectrumChange) -> None:
    """Blank random stretches and bands (`blanked`) of each of several spectrograms, in place.

    Args:
        mels: shape (n, frames, mels), normalised.
        rng: decides how wide and where.
        change: the table of a recipe that says how many and how wide.
    """
    for frames in mels:
        blanked(
            frames, rng, change.time_masks, change.time_mask_frames, change.mel_masks, change.mel_mask_bands
        )


def through_microphones(
    mels: NDArray[np.float32], rng: np.random.Generator, change: SpectrumChange, floor_db: float
) -> None:
    """Let each of several spectrograms be heard by a random microphone of its own, in place.

    Args:
        mels: in dB, shape (n, frames, mels).
        rng: draws the microphones.
        change: the table of a recipe that says how different they are.
        floor_db: of the front end; nothing falls below it.
    """
    for frames in mels:
        frames += other_microphone(frames.shape[1], rng, change.colour_db, change.narrow_share)
    np.maximum(mels, floor_db, out=mels)


def other_microphone(
    mels: int, rng: np.random.Generator, colour_db: float, narrow_share: float
) -> NDArray[np.float32]:
    """Gains of the mel bands of a random microphone, in dB, shape (mels,).

    Args:
        mels: number of bands.
        rng: draws the response.
        colour_db: standard deviation of the gains at the knots of a smooth response.
        narrow_share: how often it hears no highs; and how often no lows.
    """
    bands = np.arange(mels)
    gains = np.interp(bands, np.linspace(0, mels - 1, _KNOTS), rng.normal(0, colour_db, _KNOTS))
    if rng.random() < narrow_share:
        gains -= rng.uniform(*_SLOPE_DB) * np.maximum(bands - rng.uniform(_LOWEST_HIGH_CUT, 1) * mels, 0)
    if rng.random() < narrow_share:
        gains -= rng.uniform(*_SLOPE_DB) * np.maximum(rng.uniform(0, _HIGHEST_LOW_CUT) * mels - bands, 0)
    return gains.astype(np.float32)
