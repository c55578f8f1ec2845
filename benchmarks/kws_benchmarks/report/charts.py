"""The report's charts. Accuracies are shares of 1 and come as a report's figures: accuracy, ci95, n."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..robustness.published_baselines import ANCHORS, CLEAN
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
    series: int
    """Its number, which gives colour and marker, so that it looks the same in all charts."""


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
    alone = any(CLEAN in curve.figures for curve in curves)
    step = (ratios[0] - ratios[-1]) / (len(ratios) - 1) if len(ratios) > 1 else 5.0
    first = ratios[0] + (step if alone or len(ratios) == 1 else 0)
    x_of = Scale(-first, -ratios[-1], left + 24, width - right - 12)
    places = {**({CLEAN: x_of(-first)} if alone else {}), **{snr: x_of(-snr) for snr in ratios}}
    for snr, x in places.items():
        drawing.line(x, height - bottom, x, height - bottom + 5, "axis")
        drawing.text(x, height - bottom + 19, "clean" if snr == CLEAN else f"{snr:g} dB", "", "middle")
    middle = (left + width - right) / 2
    drawing.text(
        middle, height - 10, "speech above background: the further right, the louder it is", "soft", "middle"
    )
    drawing.text(left - 36, 20, title, "heading")
    labels: list[tuple[float, str, str]] = []
    for anchor, stroke in zip(ANCHORS if with_anchors else (), ("dashed", "dotted"), strict=False):
        shown = {snr: anchor.accuracy[CLEAN] - (0 if snr == CLEAN else anchor.loss(snr)) for snr in places}
        points = [(places[snr], y(accuracy)) for snr, accuracy in shown.items()]
        drawing.path(points, f"anchor {stroke}")
        labels.append((points[-1][1], anchor.name, "soft"))
    for curve in curves:
        end = _draw(drawing, curve, places, y)
        labels.append((end, curve.name, f"strong s{curve.series % COLOURS}"))
    for (_, name, of), at in zip(labels, spread([at for at, _, _ in labels], 15), strict=True):
        drawing.text(width - right + 2, at + 4, name, of)
    return drawing


def _draw(drawing: Drawing, curve: Curve, places: Mapping[float, float], y: Scale) -> float:
    """The curve in its band; returns the height at which it ends."""
    look = f"s{curve.series % COLOURS}"
    told = [(snr, curve.figures[snr]) for snr in places if snr in curve.figures]
    upper = [(places[snr], y(figure["ci95"][1])) for snr, figure in told]
    lower = [(places[snr], y(figure["ci95"][0])) for snr, figure in told]
    points = [(places[snr], y(figure["accuracy"])) for snr, figure in told]
    drawing.path(upper + lower[::-1], f"band {look}", closed=True)
    drawing.path(points, f"curve {look}")
    for (snr, figure), point in zip(told, points, strict=True):
        where = "clean" if snr == CLEAN else f"{snr:g} dB"
        drawing.mark(*point, curve.series % COLOURS, f"{curve.name}, {where}: {_told(figure)}")
    return points[-1][1]


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
    legend(drawing, title, series, left)
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
    legend(drawing, title, series, 0)
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


def legend(drawing: Drawing, title: str, series: Sequence[str], left: float) -> None:
    """A heading and, below it, the name of each series beside its marker."""
    drawing.text(0, 18, title, "heading")
    at = left
    for n, name in enumerate(series):
        drawing.mark(at + 6, 40, n % COLOURS, name)
        drawing.text(at + 16, 44, name, f"s{n % COLOURS}")
        at += 34 + 6.6 * len(name)
