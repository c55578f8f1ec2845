"""Other thresholds: the trade-off between misses and false accepts, and the choice of the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kws_device import Manifest, model_file
from kws_device.errors import InputError

from .judge import Script, Verdict, by_passage, counts, judge, together
from .trace import Trace, at_thresholds, replay

_GRID = (*(n / 100 for n in (*range(5, 50, 5), *range(50, 100))), 0.993, 0.996, 0.998, 0.999, 1.0)
"""Finer where models are sure; at 1, which no score exceeds, a keyword is never reported."""
_LEAST_TUNED = 0.5
"""An hour without a false accept does not make a score of a half trustworthy."""

Sweep = dict[float, dict[str, Verdict]]
"""By threshold, ascending, then by keyword."""


def sweep(trace: Trace) -> Sweep:
    """Judge a trace at many thresholds, among them those of its model, with a progress bar.

    Every keyword has the same threshold, in every scene. Since the decoder decides on each keyword by
    its own threshold alone, the verdicts of keywords at different thresholds belong together as well.
    """
    own = trace.manifest.decoder.thresholds
    found: Sweep = {}
    for p in tqdm(sorted({*_GRID, *own.values()}), "thresholds", leave=False):
        events = replay(trace, at_thresholds(trace.manifest, dict.fromkeys(own, p)))
        found[p] = {keyword: judge(events, trace.script, keyword) for keyword in own}
    return found


def curve(swept: Sweep, script: Script) -> list[dict[str, Any]]:
    """The trade-off, a point for each threshold: {"threshold", what `counts` returns, "over": by passage}."""
    points = []
    for p, verdicts in swept.items():
        whole = together(list(verdicts.values()))
        points.append({"threshold": p, **counts(whole, script.hours()), "over": by_passage(whole, script)})
    return points


def best_thresholds(swept: Sweep, hours: float, false_accepts_per_hour: float) -> dict[str, float]:
    """The threshold of each keyword with which together they keep to the rate and miss least.

    Exact: of all ways to divide the false accepts that so many hours allow among the keywords, the one
    with the least sum of squared miss rates, and of several such ways the one with the least false
    accepts. Squared, since the plain sum is often least with one keyword silenced for the benefit of
    all others. Where several thresholds of a keyword do the same, it is the middle one.

    Args:
        swept: thresholds to choose from; 1 must be among them.
        hours: of the stream.
        false_accepts_per_hour: at most, of all keywords together.

    Raises:
        InputError: a keyword that is never said in the stream.
    """
    allowed = math.floor(false_accepts_per_hour * hours + 1e-9)
    # By the false accepts spent so far: the least cost, and the thresholds that lead there.
    plans: dict[int, tuple[float, dict[str, float]]] = {0: (0.0, {})}
    for keyword in next(iter(swept.values())):
        extended: dict[int, tuple[float, dict[str, float]]] = {}
        for (false, miss_rate), equals in _choices(swept, keyword).items():
            p = equals[len(equals) // 2]
            for spent, (cost, chosen) in plans.items():
                total, more = spent + false, cost + miss_rate**2
                if total <= allowed and (total not in extended or more < extended[total][0]):
                    extended[total] = more, {**chosen, keyword: p}
        plans = extended
    spent = min(plans, key=lambda total: (plans[total][0], total))
    return plans[spent][1]


def _choices(swept: Sweep, keyword: str) -> dict[tuple[int, float], list[float]]:
    """Thresholds by the false accepts and the miss rate that they lead to."""
    choices: dict[tuple[int, float], list[float]] = {}
    for p, verdicts in swept.items():
        verdict = verdicts[keyword]
        said = len(verdict.hits) + len(verdict.misses)
        if not said:
            raise InputError(
                f"{keyword}: never said in the stream, so nothing tells its threshold; "
                "give more --speech, longer --negatives or more --passes"
            )
        if p >= _LEAST_TUNED:
            choices.setdefault((len(verdict.false), len(verdict.misses) / said), []).append(p)
    return choices


def check_writable(model: str | Path | None, also: Sequence[Path], keywords: Sequence[str]) -> list[Path]:
    """The files that tuning will change.

    Raises:
        InputError: no file was named (the shipped model stays as it is), one is no model, or one
            has other keywords.
    """
    if model is None or not Path(model).is_file():
        raise InputError(
            "--tune writes into the model file, and the shipped one stays as it is; "
            "copy a model and name the copy with --model FILE"
        )
    paths = [Path(model), *also]
    for path in paths:
        if set(model_file.read(path).manifest.keywords) != set(keywords):
            raise InputError(f"{path}: other keywords than {', '.join(keywords)}; tune it by itself")
    return paths


def tuned(manifest: Manifest, thresholds: Mapping[str, float], false_accepts_per_hour: float) -> Manifest:
    """The manifest with thresholds and the rate that they were tuned to; its hash is that from before."""
    manifest = at_thresholds(manifest, thresholds)
    decoder = replace(manifest.decoder, false_accepts_per_hour=false_accepts_per_hour)
    return replace(manifest, decoder=decoder)
