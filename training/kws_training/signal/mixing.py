"""The study's mixing scheme, as pure functions over arrays.

For batches (X_a, y_a) and (X_b, y_b) of normalised log-mels and one-hot labels, a ratio (r_a, r_b)
and a randomness R:

1. the shorter batch is fitted to the longer one by reflection;
2. one k ~ U(-R, R) is drawn for the batch: documented r_a + k, r_b - k, as run r_a + k, r_b + k;
3. every example is cropped or mirror-padded to the common length, at a random place;
4. X = r_a X_a + r_b X_b;
5. y_a and y_b are multiplied by the same weights. Cross-entropy being linear in the labels, that
   weighs each task's loss, and is done there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def mirrored(index: NDArray[np.integer[Any]], count: int) -> NDArray[np.int64]:
    """Any indices, brought into 0..count-1 by reflection at the first and last element.

    As numpy.pad(mode="reflect"): the edge itself is not repeated, 2 1 | 0 1 2 | 1 0. A single
    element is repeated.
    """
    if count == 1:
        return np.zeros(index.shape, dtype=np.int64)
    period = 2 * (count - 1)
    folded = np.mod(index, period)
    return np.asarray(np.minimum(folded, period - folded), dtype=np.int64)


def fit_batch(batch: NDArray[Any], length: int) -> NDArray[Any]:
    """Rule 1: the first `length` examples of a batch, shape (n, ...), reflected where there are fewer."""
    return batch[mirrored(np.arange(length), len(batch))]


def draw_weights(
    ratio: tuple[float, ...], randomness: float, opposite: bool, rng: np.random.Generator
) -> tuple[float, float]:
    """Rule 2: the weights of one batch.

    Args:
        ratio: (r_a, r_b).
        randomness: R.
        opposite: documented, the weights' sum stays; as run (False) it becomes r_a + r_b + 2k.
        rng: gives k.
    """
    k = float(rng.uniform(-randomness, randomness)) if randomness else 0.0
    return ratio[0] + k, ratio[1] + (-k if opposite else k)


def fit_frames(batch: NDArray[np.float32], frames: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Rule 3: each example at its own random place.

    Args:
        batch: shape (n, t, mels).
        frames: the common length; where t is more, a stretch is cut out, where it is less, the
            example is put somewhere in the stretch and mirrored at both its ends.
        rng: gives the places, each equally likely.

    Returns:
        shape (n, frames, mels).
    """
    n, t = batch.shape[:2]
    if t == frames:
        return batch
    first = rng.integers(min(0, t - frames), max(0, t - frames) + 1, size=n)
    index = mirrored(first[:, None] + np.arange(frames), t)
    return batch[np.arange(n)[:, None], index]


def mix(a: NDArray[np.float32], b: NDArray[np.float32], weights: tuple[float, float]) -> NDArray[np.float32]:
    """Rule 4: the weighted sum of normalised decibels, arrays of one shape."""
    return np.float32(weights[0]) * a + np.float32(weights[1]) * b
