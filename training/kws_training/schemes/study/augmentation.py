"""Augmentation of normalised spectrograms, shape (n, frames, mels), before they are mixed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .recipe import SpectrogramAugmentation

Batch = NDArray[np.float32]


def erased(
    batch: Batch, share: float, area: tuple[float, ...], aspect: float, rng: np.random.Generator
) -> Batch:
    """In about `share` of the examples, a rectangle replaced by noise between the example's extremes.

    Args:
        batch: shape (n, frames, mels).
        share: how often.
        area: smallest and largest share of the spectrogram that is erased.
        aspect: frames by bands of the rectangle, against the spectrogram's, up to this factor either way.
        rng: decides all of it.

    Source: Random Erasing, Zhong et al. 2017; with a constant it is Cutout, DeVries and Taylor 2017.
    """
    batch = batch.copy()
    frames, mels = batch.shape[1:]
    for i in np.flatnonzero(rng.random(len(batch)) < share):
        size = rng.uniform(area[0], area[1])
        stretch = np.exp(rng.uniform(-np.log(aspect), np.log(aspect)) / 2)
        height = min(frames, max(1, round(frames * np.sqrt(size) * stretch)))
        width = min(mels, max(1, round(mels * np.sqrt(size) / stretch)))
        top, left = rng.integers(frames - height + 1), rng.integers(mels - width + 1)
        noise = rng.random((height, width), dtype=np.float32)
        low, high = batch[i].min(), batch[i].max()
        batch[i, top : top + height, left : left + width] = low + (high - low) * noise
    return batch


def moved(batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """Each example moved in time by up to `share` of its frames either way, its edge frame repeated."""
    n, frames = batch.shape[:2]
    reach = int(share * frames)
    by = rng.integers(-reach, reach + 1, size=(n, 1))
    index = np.clip(np.arange(frames) - by, 0, frames - 1)
    return np.asarray(batch[np.arange(n)[:, None], index])


def flipped(batch: Batch, share: float, rng: np.random.Generator) -> Batch:
    """About `share` of the examples with their time reversed."""
    turn = rng.random(len(batch)) < share
    batch = batch.copy()
    batch[turn] = batch[turn, ::-1]
    return batch


def mixup(batch: Batch, labels: Batch, alpha: float, rng: np.random.Generator) -> tuple[Batch, Batch]:
    """Every example, and its label, blended with another of the batch by a weight of its own.

    Args:
        batch: shape (n, frames, mels).
        labels: shape (n, labels), each row's sum is 1.
        alpha: weights ~ Beta(alpha, alpha).
        rng: gives weights and partners.

    Source: mixup, Zhang et al. 2018.
    """
    weight = rng.beta(alpha, alpha, size=len(batch)).astype(np.float32)[:, None]
    partner = rng.permutation(len(batch))
    mixed = weight[..., None] * batch + (1 - weight[..., None]) * batch[partner]
    return mixed, weight * labels + (1 - weight) * labels[partner]


def augmented(
    batch: Batch, labels: Batch, config: SpectrogramAugmentation, rng: np.random.Generator
) -> tuple[Batch, Batch]:
    """The recipe's steps, in their order, on one dataset's batch and its one-hot labels."""
    if config.erase_prob:
        batch = erased(batch, config.erase_prob, config.erase_area, config.erase_aspect, rng)
    if config.shift_share:
        batch = moved(batch, config.shift_share, rng)
    if config.flip_prob:
        batch = flipped(batch, config.flip_prob, rng)
    if config.mixup_alpha:
        batch, labels = mixup(batch, labels, config.mixup_alpha, rng)
    return batch, labels
