"""The report's charts. Accuracies are shares of 1 and come as a report's figures: accuracy, ci95, n."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..robustness.anchors import ANCHORS, CLEAN
from .drawing import Drawing, Scale, spread

COLOURS = 6

Figure = Mapping[str, Any]
"""{"accuracy", "ci95": [low, high], "n"}."""


@dataclass(frozen=True)
class Curve:
    """Accuracy against signal-to-noise ratio."""

    name: str
    figures: Mapping[float, Figure]
    """By ratio in dB, CLEAN for speech alone."""


@dataclass(frozen=True)
class Row:
    """What is compared in one line of a chart."""

    name: str
    figures: Sequence[Figure | None]
    """One for each of the chart's series; None where there is none."""


def against_noise(title: str, curves: Sequence[Curve], with_anchors: bool) -> Drawing:
    """Accuracy from clean to the loudest background, with 95 % intervals.

    Args:
        title: above the chart.
        curves: at least one, each with at least one figure.
        with_anchors: whether the published curves stand behind.
    """
    width, height, left, right, top, bottom = 720.0, 400.0, 52.0, 190.0, 40.0, 52.0
    drawing = Drawing(width, height, title)
    ratios = sorted({snr for curve in curves for snr in curve.figures if snr != CLEAN}, reverse=True)
    worst = min(figure["ci95"][0] for curve in curves for figure in curve.figures.values())
    if with_anchors:
        worst = min(worst, *(a.accuracy[CLEAN] - a.loss(snr) for a in ANCHORS for snr in ratios))
    y = _percent_axis(drawing, worst, left, width - right, height - bottom, top)
    step = (ratios[0] - ratios[-1]) / max(1, len(ratios) - 1) if len(ratios) > 1 else 5.0
    x_of = Scale(-(ratios[0] + step), -ratios[-1], left + 24, width - right - 12)
    places = {snr: x_of(-snr) for snr in ratios}
    if any(CLEAN in curve.figures for curve in curves):
        places = {CLEAN: x_of(-(ratios[0] + step)), **places}
    for snr, x in places.items():
        drawing.line(x, height - bottom, x, height - bottom + 5, "axis")
        drawing.text(x, height - bottom + 19, "clean" if snr == CLEAN else f"{snr:g} dB", "", "middle")
    middle = (left + width - right) / 2
    drawing.text(
        middle, height - 10, "speech above background: the further right, the louder it is", "soft", "middle"
    )
    drawing.text(left - 36, 20, title, "heading")
    labels: list[tuple[float, str, str]] = []
    for anchor, look in zip(ANCHORS if with_anchors else (), ("dashed", "dotted"), strict=False):
        shown = {snr: anchor.accuracy[CLEAN] - (0 if snr == CLEAN else anchor.loss(snr)) for snr in places}
        points = [(places[snr], y(accuracy)) for snr, accuracy in shown.items()]
        drawing.path(points, f"anchor {look}")
        labels.append((points[-1][1], anchor.name, "soft"))
    for n, curve in enumerate(curves):
        told = {snr: curve.figures[snr] for snr in places if snr in curve.figures}
        upper = [(places[snr], y(f["ci95"][1])) for snr, f in told.items()]
        lower = [(places[snr], y(f["ci95"][0])) for snr, f in told.items()]
        drawing.path(upper + lower[::-1], f"band s{n % COLOURS}", closed=True)
    for n, curve in enumerate(curves):
        told = {snr: curve.figures[snr] for snr in places if snr in curve.figures}
        points = [(places[snr], y(f["accuracy"])) for snr, f in told.items()]
        drawing.path(points, f"curve s{n % COLOURS}")
        for (snr, figure), point in zip(told.items(), points, strict=True):
            where = "clean" if snr == CLEAN else f"{snr:g} dB"
            drawing.mark(*point, n % COLOURS, f"{curve.name}, {where}: {_told(figure)}")
        labels.append((points[-1][1], curve.name, f"strong s{n % COLOURS}"))
    for (_, name, look), at in zip(labels, spread([at for at, _, _ in labels], 15), strict=True):
        drawing.text(width - right + 2, at + 4, name, look)
    return drawing


def conditions(title: str, series: Sequence[str], rows: Sequence[Row], guides: Sequence[float]) -> Drawing:
    """Figures with their intervals in lines, a mark for each series.

    Args:
        title: above the chart.
        series: names of the marks.
        rows: from top to bottom.
        guides: accuracies that are marked all the way down, in each series' order.
    """
    spacing = 12.0 * max(1, len(series)) + 14
    width, left, right, top = 720.0, 190.0, 24.0, 62.0
    bottom = top + spacing * len(rows)
    drawing = Drawing(width, bottom + 34, title)
    worst = min(f["ci95"][0] for row in rows for f in row.figures if f is not None)
    x = _percent_ruler(drawing, worst, left, width - right, top, bottom)
    for guide in guides:
        drawing.line(x(guide), top, x(guide), bottom, "guide")
    _legend(drawing, title, series, left)
    for n, row in enumerate(rows):
        y = top + spacing * (n + 0.5)
        drawing.text(left - 12, y + 4, row.name, "", "end")
        for m, figure in enumerate(row.figures):
            if figure is not None:
                at = y + 12 * (m - (len(series) - 1) / 2)
                low, high = figure["ci95"]
                drawing.line(x(low), at, x(high), at, f"whisker s{m % COLOURS}")
                drawing.mark(x(figure["accuracy"]), at, m % COLOURS, f"{row.name}: {_told(figure)}")
    return drawing


def classes(title: str, series: Sequence[str], rows: Sequence[Row]) -> Drawing:
    """A bar for each class with its interval, further series as marks on it."""
    spacing, width, left, right, top = 26.0, 460.0, 108.0, 52.0, 62.0
    bottom = top + spacing * len(rows)
    drawing = Drawing(width, bottom + 34, title)
    x = _percent_ruler(drawing, 0.0, left, width - right, top, bottom)
    _legend(drawing, title, series, 0)
    for n, row in enumerate(rows):
        y = top + spacing * (n + 0.5)
        drawing.text(left - 10, y + 4, row.name, "", "end")
        bar, *marks = row.figures
        if bar is not None:
            drawing.box(left, y - 8, x(bar["accuracy"]) - left, 16, "bar s0")
            drawing.line(x(bar["ci95"][0]), y, x(bar["ci95"][1]), y, "axis")
            drawing.text(width - right + 8, y + 4, f"{100 * bar['accuracy']:.0f} %", "soft")
        for m, figure in enumerate(marks, start=1):
            if figure is not None:
                drawing.mark(x(figure["accuracy"]), y, m % COLOURS, f"{row.name}: {_told(figure)}")
    return drawing


def confusion(title: str, labels: Sequence[str], matrix: NDArray[np.int64]) -> Drawing:
    """What was there, by row, and what was heard, by column; mistakes in the other colour.

    Args:
        title: above the chart.
        labels: of rows and columns.
        matrix: counts, shape (labels, labels).
    """
    cell, left, top = 32.0, 104.0, 122.0
    size = cell * len(labels)
    drawing = Drawing(left + size + 64, top + size + 12, title)
    drawing.text(0, 18, title, "heading")
    drawing.text(left - 10, top - 10, "was", "soft", "end")
    drawing.text(left, 44, "heard as", "soft")
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    for n, label in enumerate(labels):
        drawing.text(left - 10, top + cell * (n + 0.5) + 4, label, "", "end")
        drawing.text(left + cell * (n + 0.5) + 4, top - 8, label, "", turned=-45)
    for row, column in np.ndindex(*matrix.shape):
        x, y = left + cell * column, top + cell * row
        drawing.box(x, y, cell, cell, "empty")
        if count := int(matrix[row, column]):
            wrong = "" if row == column else " wrong"
            # Even one mistake among hundreds must be seen; no cell is so dark that its number drowns.
            drawing.box(x + 1, y + 1, cell - 2, cell - 2, f"cell{wrong}", 0.08 + 0.5 * shares[row, column])
            drawing.text(x + cell / 2, y + cell / 2 + 4, str(count), "", "middle")
    return drawing


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
        drawing.text(x + 10, at - 8, "the model's own thresholds", "strong s3")
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


def _told(figure: Figure) -> str:
    low, high = figure["ci95"]
    return f"{100 * figure['accuracy']:.1f} % [{100 * low:.1f} %, {100 * high:.1f} %] of {figure['n']}"


def _from(worst: float) -> float:
    """Where an axis begins: at a full ten percent below the worst figure, with room for a difference."""
    return max(0.0, min(0.6, math.floor(worst * 10 - 1e-9) / 10))


def _percent_axis(
    drawing: Drawing, worst: float, left: float, right: float, bottom: float, top: float
) -> Scale:
    low = _from(worst)
    scale = Scale(low, 1, bottom, top)
    for percent in range(round(100 * low), 101, 10):
        at = scale(percent / 100)
        drawing.line(left, at, right, at, "grid")
        drawing.text(left - 8, at + 4, f"{percent} %", "soft", "end")
    return scale


def _percent_ruler(
    drawing: Drawing, worst: float, left: float, right: float, top: float, bottom: float
) -> Scale:
    low = _from(worst)
    scale = Scale(low, 1, left, right)
    step = 10 if low >= 0.4 else 20
    for percent in range(100, round(100 * low) - 1, -step):
        at = scale(percent / 100)
        drawing.line(at, top, at, bottom, "grid")
        drawing.text(at, bottom + 18, f"{percent} %", "soft", "middle")
    return scale


def _legend(drawing: Drawing, title: str, series: Sequence[str], left: float) -> None:
    drawing.text(0, 18, title, "heading")
    at = left
    for n, name in enumerate(series):
        drawing.mark(at + 6, 40, n % COLOURS, name)
        drawing.text(at + 16, 44, name, f"s{n % COLOURS}")
        at += 34 + 6.6 * len(name)
