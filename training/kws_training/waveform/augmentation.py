"""What may happen to a window of sound, or to its spectrogram, before it trains the network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
