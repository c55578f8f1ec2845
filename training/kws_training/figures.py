"""Figures of a judged set for reports, and how far off they could be by the luck of who was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .evaluation import Judgement
from .test_sets import EvaluationSet

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


def figures(set_: EvaluationSet, judged: dict[str, Judgement]) -> dict[str, Any]:
    """One set's entry in a report.

    Returns:
        {"set", "kind", "with", "snr_db" or "ratio", and by head {"accuracy", "ci95": [low, high], "n"}}.
    """
    found: dict[str, Any] = {"set": set_.name, "kind": set_.kind}
    if set_.background is not None:
        found["with"] = set_.background
    if set_.snr_db is not None:
        found["snr_db"] = set_.snr_db
    if set_.ratio is not None:
        found["ratio"] = list(set_.ratio)
    for head, judgement in judged.items():
        low, high = ci95(judgement.correct, [item.source for item in judgement.items])
        found[head] = {
            "accuracy": round(judgement.accuracy, 5),
            "ci95": [round(low, 5), round(high, 5)],
            "n": len(judgement.items),
        }
    return found
