"""Charts of a stream: missed words against false accepts, by background and by condition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .chart import Chart, colour, styled

CONDITIONS = {"alone": "standing alone over noise", "over_voice": "over a quieter voice"}
"""Of placed words, as people read them."""

Entry = Mapping[str, Any]
"""A point of a stream's curve, or the stream itself at the model's own thresholds."""

_MARKED = {0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99}
"""Thresholds that get a marker, so that a curve tells where it is."""
_TICKS = (0, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True)
class _Point:
    """A threshold and what it leads to."""

    threshold: float
    false_accepts_per_hour: float
    miss_rate: float


@dataclass(frozen=True)
class _TradeOff:
    """A curve of misses against false accepts."""

    name: str
    points: Sequence[_Point]
    own: _Point | None
    """At the model's own thresholds, which may be several; its threshold says nothing."""


def stream_charts(stream: Entry) -> dict[str, Chart]:
    """The trade-offs of a stream by what their files are called; none where no word was placed.

    Args:
        stream: content of stream.json; of older versions, which have one background, one curve.
    """
    curve = [entry for entry in stream["curve"] if entry["miss_rate"] is not None]
    if not curve:
        return {}

    def of(name: str, background: str | None = None, condition: str | None = None) -> _TradeOff:
        def at(threshold: float, entry: Entry) -> _Point:
            rate = entry["false_accepts_per_hour"]
            if background is not None:
                rate = entry["background"][background]["per_hour"]
            missed = entry if condition is None else entry["placed"][condition]
            return _Point(threshold, rate, missed["miss_rate"])

        points = [at(entry["threshold"], entry) for entry in curve]
        # By threshold: by rate, several thresholds of the same rate would make a zigzag.
        points.sort(key=lambda point: point.threshold)
        return _TradeOff(name, points, None if stream["miss_rate"] is None else at(0.0, stream))

    if "background" not in stream:
        return {"trade_off": _trade_off("Missed words against false accepts", [of("all")])}
    backgrounds = [of(name, background=name) for name in stream["background"]]
    conditions = [
        of(text, condition=name) for name, text in CONDITIONS.items() if stream["placed"][name] is not None
    ]
    return {
        "trade_off": _trade_off("All placed words against the false accepts of each background", backgrounds),
        "placed": _trade_off("Words of each condition against all false accepts", conditions),
    }


@styled
def _trade_off(title: str, curves: Sequence[_TradeOff]) -> Chart:
    chart = Chart(title, 720, 360, left=52, right=40, top=60, bottom=52)
    axes = chart.axes
    every = [p for curve in curves for p in (*curve.points, *([curve.own] if curve.own else []))]
    most = max([1.0, *(p.false_accepts_per_hour for p in every)])
    tenths = math.ceil(max([0.1, *(p.miss_rate for p in every)]) * 10)
    # Near zero the axis is linear: no false accept at all has a place, too.
    axes.set_xscale("asinh", linear_width=1)
    ticks = [tick for tick in _TICKS if tick <= most]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.tick_params("x", length=5)
    axes.set_xlim(0, most)
    axes.set_xlabel("false accepts per hour")
    axes.set_ylim(0, tenths / 10)
    chart.percent("y", [n / 10 for n in range(tenths + 1)])
    chart.legend([curve.name for curve in curves])
    for n, curve in enumerate(curves):
        _draw(chart, n, curve)
    return chart


def _draw(chart: Chart, series: int, curve: _TradeOff) -> None:
    rates = [point.false_accepts_per_hour for point in curve.points]
    chart.axes.plot(rates, [point.miss_rate for point in curve.points], color=colour(series))
    told = [(p, f"threshold {p.threshold:g}") for p in curve.points if p.threshold in _MARKED]
    if curve.own is not None:
        told.append((curve.own, "as the model file has it"))
        chart.axes.annotate(
            "own thresholds", (curve.own.false_accepts_per_hour, curve.own.miss_rate), xytext=(8, 8),
            textcoords="offset points", fontsize=10, color=colour(series), annotation_clip=False,
        )  # fmt: skip
    for point, what in told:
        note = f"{100 * point.miss_rate:.1f} % missed, {point.false_accepts_per_hour:g} per hour"
        chart.mark(point.false_accepts_per_hour, point.miss_rate, series, f"{curve.name}, {what}: {note}")
