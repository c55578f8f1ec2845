"""How far a figure could be off by the luck of who was recorded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_RESAMPLES = 1000


def ci95(correct: NDArray[np.bool_], sources: Sequence[str], seed: int = 0) -> tuple[float, float]:
    """95 % interval of an accuracy, by resampling speakers (or recordings) rather than clips.

    Clips of one speaker stand or fall together, so resampling clips would promise too much.

    Args:
        correct: shape (n,), n at least 1.
        sources: who or what each clip is from, length n.
        seed: of the resampling.

    Source: cluster bootstrap, percentile method (Davison and Hinkley 1997, section 3.8).
    """
    _, source = np.unique(np.asarray(sources), return_inverse=True)
    right = np.bincount(source, weights=correct)
    total = np.bincount(source)
    draws = np.random.default_rng(seed).integers(len(total), size=(_RESAMPLES, len(total)))
    accuracy = right[draws].sum(axis=1) / total[draws].sum(axis=1)
    low, high = np.percentile(accuracy, (2.5, 97.5))
    return float(low), float(high)
