"""Charts of what other commands measured: misses against false accepts, and CPU time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from .drawing import Drawing, Scale

_OWN = "the model's own thresholds", "strong s3"


def trade_off(title: str, curve: Sequence[Mapping[str, Any]], now: tuple[float, float] | None) -> Drawing:
    """Missed words against false accepts, a point for each threshold.

    Args:
        title: above the chart.
        curve: stream.json's, with miss_rate and false_accepts_per_hour.
        now: false accepts an hour and miss rate at the model's own thresholds.
    """
    width, height, left, right, top, bottom = 720.0, 340.0, 52.0, 40.0, 40.0, 52.0
    drawing = Drawing(width, height, title)
    points = sorted(
        (p["false_accepts_per_hour"], p["miss_rate"], p.get("threshold"))
        for p in curve
        if p["false_accepts_per_hour"] is not None and p["miss_rate"] is not None
    )
    most = max([1.0, *(rate for rate, _, _ in points)])
    # Near zero the axis is linear: no false accept at all has a place, too.
    x_of = Scale(0, math.asinh(most), left, width - right)
    ticks = [t for t in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if t <= most]
    share = max([0.1, *(missed for _, missed, _ in points)])
    y = Scale(0, math.ceil(share * 10) / 10, height - bottom, top)
    for tenth in range(math.ceil(share * 10) + 1):
        at = y(tenth / 10)
        drawing.line(left, at, width - right, at, "grid")
        drawing.text(left - 8, at + 4, f"{10 * tenth} %", "soft", "end")
    for tick in ticks:
        at = x_of(math.asinh(tick))
        drawing.line(at, height - bottom, at, height - bottom + 5, "axis")
        drawing.text(at, height - bottom + 19, str(tick), "", "middle")
    drawing.text((left + width - right) / 2, height - 10, "false accepts an hour", "soft", "middle")
    drawing.text(left - 36, 20, title, "heading")
    drawing.path([(x_of(math.asinh(rate)), y(missed)) for rate, missed, _ in points], "curve s0")
    for rate, missed, threshold in points:
        drawing.mark(
            x_of(math.asinh(rate)),
            y(missed),
            0,
            f"threshold {threshold}: {100 * missed:.1f} % missed, {rate:g} an hour",
        )
    if now is not None:
        x, at = x_of(math.asinh(now[0])), y(now[1])
        drawing.mark(x, at, 3, f"as shipped: {100 * now[1]:.1f} % missed, {now[0]:g} an hour")
        beside, anchor = (x + 10, "start") if x < width / 2 else (x - 10, "end")
        drawing.text(beside, at - 8 if anchor == "start" else at + 20, *_OWN, anchor)
    return drawing


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
