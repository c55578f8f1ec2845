"""Metrics of a test set, with confidence intervals over speakers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .eval_sets import EvaluationSet
from .scoring import Judgement

_RESAMPLES = 1000


Tally = dict[str, tuple[int, int]]
"""By speaker, or by recording: how many of the clips were right, and how many there are."""


def tally(judgement: Judgement) -> Tally:
    """What is right by speaker (or recording), in their order of first appearance."""
    counts: dict[str, list[int]] = {}
    for item, right in zip(judgement.items, judgement.correct, strict=True):
        count = counts.setdefault(item.source, [0, 0])
        count[0] += int(right)
        count[1] += 1
    return {source: (right, total) for source, (right, total) in counts.items()}


def pooled(tallies: Iterable[Tally]) -> Tally:
    """Several tallies as one."""
    total: Tally = {}
    for counts in tallies:
        for source, (right, n) in counts.items():
            before = total.get(source, (0, 0))
            total[source] = (before[0] + right, before[1] + n)
    return total


def ci95(counts: Tally, seed: int = 0) -> tuple[float, float]:
    """95 % interval of an accuracy, by resampling speakers (or recordings) rather than clips.

    Clips of one speaker stand or fall together, so resampling clips would promise too much.

    Args:
        counts: at least one source.
        seed: of the resampling.

    Source: cluster bootstrap, percentile method (Davison and Hinkley 1997, section 3.8).
    """
    right, total = np.array([counts[source] for source in sorted(counts)]).T
    draws = _draws(len(total), seed)
    return _interval(right[draws].sum(axis=1) / total[draws].sum(axis=1))


def difference_ci95(counts: Tally, others: Tally, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the difference of two accuracies, the same speakers drawn for both.

    Args:
        counts: of one model.
        others: of another, on the same clips.
        seed: of the resampling.

    Raises:
        ValueError: the sources are not the same.
    """
    if set(counts) != set(others):
        raise ValueError("the two were not judged on the same sources")
    right, total = np.array([counts[source] for source in sorted(counts)]).T
    theirs, of = np.array([others[source] for source in sorted(counts)]).T
    draws = _draws(len(total), seed)
    ours = right[draws].sum(axis=1) / total[draws].sum(axis=1)
    return _interval(ours - theirs[draws].sum(axis=1) / of[draws].sum(axis=1))


def _draws(sources: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(sources, size=(_RESAMPLES, sources))


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5))
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
        found[head] = figure(tally(judgement))
    return found


def figure(counts: Tally) -> dict[str, Any]:
    """An accuracy for a report, {"accuracy", "ci95": [low, high], "n"}; at least one source."""
    right, total = np.array(list(counts.values())).sum(axis=0)
    low, high = ci95(counts)
    return {
        "accuracy": round(float(right / total), 5),
        "ci95": [round(low, 5), round(high, 5)],
        "n": int(total),
    }
