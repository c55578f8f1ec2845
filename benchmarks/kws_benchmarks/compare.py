"""Two reports on the same clips: what got better or worse beyond chance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_device.errors import InputError
from kws_training.evaluation.figures import Tally, difference_ci95

from .robustness.measure import REPORT
from .robustness.predictions import COLUMNS, PREDICTIONS, read

_EXCHANGES = 10_000
_LEVEL = 0.05

Answers = dict[tuple[str, str], dict[str, tuple[str, str, bool]]]
"""By set and head, then by clip: speaker, label, whether it was right."""


def compare(a: Path, b: Path) -> dict[str, Any]:
    """Compare two reports of `kws-bench robustness`, set by set and head by head.

    Args:
        a: folder of the report from before.
        b: folder of the report from after.

    Returns:
        {"a": {"model", "hash"}, "b": {...}, "split", "sets": [{"set", "head", "n", "a", "b", "difference",
        "ci95": [low, high], "p", "p_corrected", "verdict": "better"|"worse"|"same"}]}; a, b and differences
        are shares of 1, b less a.

    Raises:
        InputError: no report, or not the same split or clips in both.
    """
    first, second = _report(a), _report(b)
    if first["split"] != second["split"]:
        raise InputError(
            f"{b}: of the {second['split']} split, and {a} of the {first['split']} split; judge both on one"
        )
    before, after = _answers(a), _answers(b)
    shared = [key for key in before if key in after]
    if not shared:
        raise InputError(f"{b}: has no set in common with {a}; judge both on the same sets")
    sets = [_set(key, before[key], after[key], a, b) for key in shared]
    for entry, p in zip(sets, corrected([entry["p"] for entry in sets]), strict=True):
        entry["p_corrected"] = round(p, 5)
        entry["verdict"] = "same" if p >= _LEVEL else "better" if entry["difference"] > 0 else "worse"
    named = {
        side: {key: report[key] for key in ("model", "hash")}
        for side, report in (("a", first), ("b", second))
    }
    return {**named, "split": first["split"], "sets": sets}


def _set(
    key: tuple[str, str],
    before: dict[str, tuple[str, str, bool]],
    after: dict[str, tuple[str, str, bool]],
    a: Path,
    b: Path,
) -> dict[str, Any]:
    clips = {clip: told[:2] for clip, told in before.items()}
    if clips != {clip: told[:2] for clip, told in after.items()}:
        raise InputError(
            f"{b}: set {key[0]}, {key[1]}: other clips or labels than in {a}; give both the same options"
        )
    ours, theirs = _tally(after), _tally(before)
    low, high = difference_ci95(ours, theirs)
    rates = [sum(right for right, _ in tally.values()) / len(clips) for tally in (theirs, ours)]
    gains = np.array([ours[speaker][0] - theirs[speaker][0] for speaker in sorted(ours)])
    return {
        "set": key[0],
        "head": key[1],
        "n": len(clips),
        "a": round(rates[0], 5),
        "b": round(rates[1], 5),
        "difference": round(rates[1] - rates[0], 5),
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


def _tally(answers: dict[str, tuple[str, str, bool]]) -> Tally:
    counts: dict[str, tuple[int, int]] = {}
    for speaker, _, right in answers.values():
        before = counts.get(speaker, (0, 0))
        counts[speaker] = (before[0] + right, before[1] + 1)
    return counts


def _report(folder: Path) -> dict[str, Any]:
    path = folder / REPORT
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {key: report[key] for key in ("model", "hash", "split")}
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); name a report of kws-bench robustness"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
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
        raise InputError(f"{path}: has no columns {', '.join(COLUMNS)} ({error!r}); make it again") from error
    return found
