"""Compares two reports on the same clips: differences beyond chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError
from kws_training.evaluation.metrics import Tally, difference_ci95

from .evaluate import REPORT
from .predictions import COLUMNS, PREDICTIONS, read

_EXCHANGES = 10_000
_LEVEL = 0.05

Clips = dict[str, tuple[str, str, bool]]
"""By clip: speaker, label, whether it was right."""

Answers = dict[tuple[str, str], Clips]
"""By set and head."""


def compare(a: Path, b: Path) -> dict[str, Any]:
    """Compare two reports of `kws-bench robustness`, set by set and head by head.

    Args:
        a: folder of the report from before.
        b: folder of the report from after.

    Returns:
        {"a": {"model", "hash"}, "b": {...}, "split", "sets": [{"set", "head", "n", "left_out", "a", "b",
        "difference", "ci95": [low, high], "p", "p_corrected", "verdict": "better"|"worse"|"same"}]}; a, b
        and differences, b less a, are shares of the n clips that both were asked the same about.

    Raises:
        InputError: no report, or not the same split, draw or sets in both.
    """
    first, second = _report(a), _report(b)
    for key in ("split", "limit"):
        if first[key] != second[key]:
            raise InputError(
                f"{b}: made with --{key} {second[key]}, and {a} with {first[key]}; use the same data for both"
            )
    before, after = _answers(a), _answers(b)
    found = [_set(key, before[key], after[key]) for key in before if key in after]
    sets = [entry for entry in found if entry is not None]
    if not sets:
        raise InputError(
            f"{b}: has no clips of the same sets and labels as {a}; measure both on the same data"
        )
    for entry, p in zip(sets, corrected([entry["p"] for entry in sets]), strict=True):
        entry["p_corrected"] = round(p, 5)
        entry["verdict"] = "same" if p >= _LEVEL else "better" if entry["difference"] > 0 else "worse"
    named = {
        side: {k: report[k] for k in ("model", "hash")} for side, report in (("a", first), ("b", second))
    }
    return {**named, "split": first["split"], "sets": sets}


def _set(key: tuple[str, str], before: Clips, after: Clips) -> dict[str, Any] | None:
    """A set's entry; None without a clip that both were asked the same about."""
    shared = [clip for clip, told in before.items() if clip in after and told[:2] == after[clip][:2]]
    if not shared:
        return None
    ours, theirs = ({clip: side[clip] for clip in shared} for side in (after, before))
    now, then = _tally(ours), _tally(theirs)
    low, high = difference_ci95(now, then)
    rate_then, rate_now = (sum(right for right, _ in tally.values()) / len(shared) for tally in (then, now))
    gains = np.array([now[speaker][0] - then[speaker][0] for speaker in sorted(now)])
    return {
        "set": key[0],
        "head": key[1],
        "n": len(shared),
        "left_out": len(before.keys() | after.keys()) - len(shared),
        "a": round(rate_then, 5),
        "b": round(rate_now, 5),
        "difference": round(rate_now - rate_then, 5),
        "ci95": [round(low, 5), round(high, 5)],
        "p": round(exchange_test(gains), 5),
    }


def exchange_test(gains: NDArray[np.int64], seed: int = 0) -> float:
    """How likely a difference as large as this is, in either direction, if the two models are equal.

    Were they equal, each speaker's answers could as well have come from the other one; so the models are
    exchanged for a random half of the speakers, again and again. Speakers rather than clips, since the
    clips of one speaker stand or fall together.

    Args:
        gains: by speaker, how many more clips are right; shape (speakers,).
        seed: of the exchanges.

    Source: approximate randomisation, paired by clusters (Noreen 1989, "Computer-Intensive Methods for
    Testing Hypotheses"); the observed arrangement counts as one of those drawn.
    """
    gains = gains[gains != 0]
    if len(gains) == 0:
        return 1.0
    rng = np.random.default_rng(seed)
    signs = rng.integers(2, size=(_EXCHANGES, len(gains)), dtype=np.int8) * 2 - 1
    exchanged = np.abs(signs @ gains)
    return float((1 + (exchanged >= abs(gains.sum())).sum()) / (1 + _EXCHANGES))


def corrected(p_values: list[float]) -> list[float]:
    """p-values of several tests, so that chance finds one of all below 5 % in one case of twenty.

    Source: S. Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = np.argsort(p_values, kind="stable")
    found = [1.0] * len(p_values)
    largest = 0.0
    for rank, n in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[n]))
        found[n] = largest
    return found


def _tally(answers: Clips) -> Tally:
    counts: dict[str, tuple[int, int]] = {}
    for speaker, _, right in answers.values():
        before = counts.get(speaker, (0, 0))
        counts[speaker] = (before[0] + right, before[1] + 1)
    return counts


def _report(folder: Path) -> dict[str, Any]:
    path = folder / REPORT
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = {key: report[key] for key in ("model", "hash", "split", "limit")}
        if not all(isinstance(found[key], str) for key in ("model", "hash", "split")):
            raise TypeError("model, hash and split must be text")
        return found
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); name a report of kws-bench robustness"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: not a report of kws-bench robustness ({error!r}); make it again"
        ) from error


def _answers(folder: Path) -> Answers:
    found: Answers = {}
    path = folder / PREDICTIONS
    try:
        for row in read(folder):
            answer = (row["speaker"], row["label"], row["predicted"] == row["label"])
            found.setdefault((row["set"], row["head"]), {})[row["clip"]] = answer
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); name a report of kws-bench robustness"
        ) from error
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: not a table of {', '.join(COLUMNS)} ({error}); make it again") from error
    return found
