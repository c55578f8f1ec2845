"""The trade-off between misses and false accepts, and the choice of thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kws_device import InputError, Manifest
from kws_device.model import model_file

from .figures import curve_point
from .outcomes import Streams, Tallies, outcome, tallies
from .poisson import NO_EVENTS
from .trace import at_thresholds

_GRID = (
    *(n / 100 for n in (*range(5, 50, 5), *range(50, 90))),
    *(n / 400 for n in range(360, 400)),
    *(0.998, 0.999, 0.9995, 0.9999, 1.0),
)
"""Finer where models are sure; at 1, which no score exceeds, a keyword is never reported."""
_LEAST_TUNED = 0.5
"""Hours without a false accept do not make a score of a half trustworthy."""

Sweep = dict[float, Tallies]
"""By threshold, ascending."""


def sweep(streams: Streams, own: Mapping[str, float]) -> Sweep:
    """Judge what was heard at many thresholds, among them the listener's own, with a progress bar.

    Every keyword has the same threshold, in every scene. Since the decoder decides on each keyword by
    its own threshold alone, the figures of keywords at different thresholds belong together as well.

    Args:
        streams: what was heard.
        own: the listener's thresholds by keyword.
    """
    return {
        p: tallies(outcome(streams, dict.fromkeys(streams.keywords, p)))
        for p in tqdm(sorted({*_GRID, *own.values()}), "thresholds", leave=False)
    }


def curve(swept: Sweep, streams: Streams) -> list[dict[str, Any]]:
    """The trade-off, a point for each threshold; see `figures.curve_point`."""
    return [curve_point(p, found, streams) for p, found in swept.items()]


def check_shown(false_accepts_per_hour: float, hours: float) -> None:
    """Raises InputError where so few hours cannot show a rate: even no event leaves a larger one possible."""
    needed = NO_EVENTS / false_accepts_per_hour
    if hours < needed:
        raise InputError(
            f"--tune {false_accepts_per_hour:g}: {hours:.2f} h of --negatives and --noise are too short; "
            f"give at least {needed:.2g} h (after T hours without an event the rate may be {NO_EVENTS:g}/T)"
        )


def best_thresholds(swept: Sweep, hours: float, false_accepts_per_hour: float) -> dict[str, float]:
    """The threshold of each keyword with which together they keep to the rate and miss least.

    Exact: of all ways to divide the false accepts that so many hours allow among the keywords, the one
    with the least sum of squared miss rates, and of several such ways the one with the least false
    accepts. Squared, since the plain sum is often least with one keyword silenced for the benefit of
    all others. Where several thresholds of a keyword do the same, it is the middle one.

    Args:
        swept: thresholds to choose from; 1 must be among them.
        hours: of sound without placed words.
        false_accepts_per_hour: at most, of all keywords together.

    Raises:
        InputError: a keyword that was never placed.
    """
    allowed = math.floor(false_accepts_per_hour * hours + 1e-9)
    keywords = next(iter(next(iter(swept.values())).background.values()))
    # By the false accepts spent so far: the least cost, and the thresholds that lead there.
    plans: dict[int, tuple[float, dict[str, float]]] = {0: (0.0, {})}
    for keyword in keywords:
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
    for p, found in swept.items():
        tally = found.of(keyword)
        if not tally.targets:
            raise InputError(
                f"{keyword}: was never placed, so its threshold cannot be tuned; "
                "give more --speech, longer --negatives and --noise, or more --passes"
            )
        if p >= _LEAST_TUNED:
            miss_rate = (tally.targets - tally.hits) / tally.targets
            choices.setdefault((tally.false_accepts, miss_rate), []).append(p)
    return choices


def check_writable(model: str | Path | None, also: Sequence[Path], keywords: Sequence[str]) -> list[Path]:
    """The files that tuning will change.

    Raises:
        InputError: no file was named (the shipped model stays as it is), one is no model, or one
            has other keywords.
    """
    if model is None or not Path(model).is_file():
        raise InputError(
            "--tune writes into the model file, but never into a shipped one; "
            "copy a model and name the copy with --model FILE"
        )
    paths = [Path(model), *also]
    for path in paths:
        if set(model_file.read(path).manifest.trained_keywords) != set(keywords):
            raise InputError(f"{path}: has other keywords than {', '.join(keywords)}; tune it separately")
    return paths


def write(path: Path, thresholds: Mapping[str, float], false_accepts_per_hour: float) -> Manifest:
    """Write thresholds, and the rate that they were tuned to, into a model file; its new manifest."""
    file = model_file.read(path)
    manifest = at_thresholds(file.manifest, thresholds)
    decoder = replace(manifest.decoder, false_accepts_per_hour=false_accepts_per_hour)
    manifest = replace(manifest, decoder=decoder)
    return model_file.rewrite(path, file, manifest).manifest
