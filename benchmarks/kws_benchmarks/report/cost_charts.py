"""Charts of what other commands measured: misses against false accepts, and CPU time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .charts import COLOURS, legend
from .drawing import Drawing, Scale

_MARKED = {0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99}
"""Thresholds that get a marker, so that a curve tells where it is."""


@dataclass(frozen=True)
class Point:
    """A threshold and what it leads to."""

    threshold: float
    false_accepts_per_hour: float
    miss_rate: float


@dataclass(frozen=True)
class TradeOff:
    """A curve of misses against false accepts."""

    name: str
    points: Sequence[Point]
    own: Point | None
    """At the model's own thresholds, which may be several; its threshold says nothing."""


def trade_off(title: str, curves: Sequence[TradeOff]) -> Drawing:
    """Missed words against false accepts, a curve for each background or condition.

    Args:
        title: above the chart.
        curves: at least one.
    """
    width, height, left, right, top, bottom = 720.0, 360.0, 52.0, 40.0, 60.0, 52.0
    drawing = Drawing(width, height, title)
    legend(drawing, title, [curve.name for curve in curves], 0)
    every = [p for curve in curves for p in (*curve.points, *([curve.own] if curve.own else []))]
    most = max([1.0, *(p.false_accepts_per_hour for p in every)])
    # Near zero the axis is linear: no false accept at all has a place, too.
    x_of = Scale(0, math.asinh(most), left, width - right)
    share = max([0.1, *(p.miss_rate for p in every)])
    y = Scale(0, math.ceil(share * 10) / 10, height - bottom, top)
    for tenth in range(math.ceil(share * 10) + 1):
        at = y(tenth / 10)
        drawing.line(left, at, width - right, at, "grid")
        drawing.text(left - 8, at + 4, f"{10 * tenth} %", "soft", "end")
    for tick in [t for t in (0, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if t <= most]:
        at = x_of(math.asinh(tick))
        drawing.line(at, height - bottom, at, height - bottom + 5, "axis")
        drawing.text(at, height - bottom + 19, f"{tick:g}", "", "middle")
    drawing.text((left + width - right) / 2, height - 10, "false accepts per hour", "soft", "middle")
    for n, curve in enumerate(curves):
        _draw(
            drawing,
            n % COLOURS,
            curve,
            lambda p: (x_of(math.asinh(p.false_accepts_per_hour)), y(p.miss_rate)),
        )
    return drawing


def _draw(
    drawing: Drawing, series: int, curve: TradeOff, place: Callable[[Point], tuple[float, float]]
) -> None:
    drawing.path(map(place, curve.points), f"curve s{series}")
    told = [(p, f"threshold {p.threshold:g}") for p in curve.points if p.threshold in _MARKED]
    if curve.own is not None:
        told.append((curve.own, "as the model file has it"))
        x, at = place(curve.own)
        drawing.text(x + 8, at - 8, "own thresholds", f"small s{series}")
    for point, what in told:
        rates = f"{100 * point.miss_rate:.1f} % missed, {point.false_accepts_per_hour:g} per hour"
        drawing.mark(*place(point), series, f"{curve.name}, {what}: {rates}")


def costs(title: str, bars: Sequence[tuple[str, float]], unit: str) -> Drawing:
    """Bars of what something costs, the first one ours."""
    spacing, width, left, right, top = 30.0, 720.0, 190.0, 90.0, 34.0
    drawing = Drawing(width, top + spacing * len(bars) + 6, title)
    drawing.text(0, 18, title, "heading")
    x = Scale(0, max(value for _, value in bars), left, width - right)
    for n, (name, value) in enumerate(bars):
        y = top + spacing * (n + 0.5)
        drawing.text(left - 12, y + 4, name, "strong" if n == 0 else "", "end")
        drawing.box(left, y - 9, max(1.5, x(value) - left), 18, "bar s0" if n == 0 else "bar s5")
        drawing.text(x(value) + 8, y + 4, f"{value:.3g} {unit}", "soft")
    return drawing
