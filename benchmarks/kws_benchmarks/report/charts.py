"""The report's charts. Accuracies are shares of 1 and come as a report's figures: accuracy, ci95, n."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ..robustness.published_baselines import ANCHORS, CLEAN
from .chart import INK, RULE, SOFT, Chart, colour, spread, styled

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


@styled
def against_noise(title: str, curves: Sequence[Curve], with_anchors: bool) -> Chart:
    """Accuracy from clean to the loudest background, with 95 % intervals.

    Args:
        title: above the chart.
        curves: at least one, each with at least one figure.
        with_anchors: whether the published curves stand behind.
    """
    chart = Chart(title, 720, 400, left=52, right=190, top=40, bottom=52)
    axes = chart.axes
    anchors = ANCHORS if with_anchors else ()
    ratios = sorted({snr for curve in curves for snr in curve.figures if snr != CLEAN}, reverse=True)
    lows = [figure["ci95"][0] for curve in curves for figure in curve.figures.values()]
    lows += [anchor.accuracy[CLEAN] - anchor.loss(snr) for anchor in anchors for snr in ratios]
    low = _axis_from(min(lows))
    # The ratios lie in even steps; speech alone is one step before the first.
    step = (ratios[0] - ratios[-1]) / (len(ratios) - 1) if len(ratios) > 1 else 5.0
    places = {snr: -snr for snr in ratios}
    if any(CLEAN in curve.figures for curve in curves):
        places = {CLEAN: -ratios[0] - step, **places}
    axes.set_xticks(list(places.values()), [_ratio(snr) for snr in places])
    axes.tick_params("x", length=5, labelcolor=INK)
    axes.margins(x=0.06)
    axes.set_xlabel("speech above background: the further right, the louder it is")
    axes.set_ylim(low, 1)
    chart.percent("y", np.arange(low, 1.001, 0.1))
    labels: list[tuple[float, str, dict[str, Any]]] = []
    for anchor, dashes in zip(anchors, ("--", ":"), strict=False):
        shown = [anchor.accuracy[CLEAN] - (0 if snr == CLEAN else anchor.loss(snr)) for snr in places]
        axes.plot(list(places.values()), np.maximum(shown, low), dashes, color=SOFT, linewidth=1.5)
        labels.append((max(shown[-1], low), anchor.name, {"color": SOFT}))
    for curve in curves:
        end = _draw(chart, curve, places)
        labels.append((end, curve.name, {"color": colour(curve.series), "fontweight": "bold"}))
    heights = spread([(accuracy - low) / (1 - low) * chart.height for accuracy, _, _ in labels], 15)
    for (_, name, look), height in zip(labels, heights, strict=True):
        axes.annotate(name, (chart.width + 2, height), xycoords="axes points", va="center", **look)
    return chart


def _draw(chart: Chart, curve: Curve, places: Mapping[float, float]) -> float:
    """The curve in its band; returns the accuracy at which it ends."""
    told = [(snr, curve.figures[snr]) for snr in places if snr in curve.figures]
    x = [places[snr] for snr, _ in told]
    lower, upper = np.transpose([figure["ci95"] for _, figure in told])
    chart.axes.fill_between(x, lower, upper, color=colour(curve.series), alpha=0.16, linewidth=0)
    chart.axes.plot(x, [figure["accuracy"] for _, figure in told], color=colour(curve.series))
    for snr, figure in told:
        note = f"{curve.name}, {_ratio(snr)}: {_told(figure)}"
        chart.mark(places[snr], figure["accuracy"], curve.series, note)
    return float(told[-1][1]["accuracy"])


@styled
def conditions(title: str, series: Sequence[str], rows: Sequence[Row], guides: Sequence[float]) -> Chart:
    """Figures with their intervals in lines, a mark for each series.

    Args:
        title: above the chart.
        series: names of the marks.
        rows: from top to bottom.
        guides: accuracies that are marked all the way down, in each series' order.
    """
    spacing = 12 * max(1, len(series)) + 14
    chart = Chart(title, 720, 96 + spacing * len(rows), left=190, right=24, top=62, bottom=34)
    axes = chart.axes
    low = _axis_from(min(f["ci95"][0] for row in rows for f in row.figures if f is not None))
    axes.set_xlim(low, 1)
    chart.percent("x", np.arange(1, low - 0.001, -0.1 if low >= 0.4 else -0.2))
    _names(axes, rows)
    for guide in guides:
        axes.axvline(guide, color=SOFT, linewidth=1, linestyle=(0, (2, 3)))
    chart.legend(series)
    for n, row in enumerate(rows):
        for m, figure in enumerate(row.figures):
            if figure is not None:
                y = n + 12 / spacing * (m - (len(series) - 1) / 2)
                axes.plot(figure["ci95"], [y, y], color=colour(m), alpha=0.55, linewidth=2)
                chart.mark(figure["accuracy"], y, m, f"{row.name}: {_told(figure)}")
    return chart


@styled
def classes(title: str, series: Sequence[str], rows: Sequence[Row]) -> Chart:
    """A bar for each class with its interval, further series as marks on it."""
    chart = Chart(title, 460, 96 + 26 * len(rows), left=108, right=52, top=62, bottom=34)
    axes = chart.axes
    axes.set_xlim(0, 1)
    chart.percent("x", np.arange(0, 1.1, 0.2))
    _names(axes, rows)
    chart.legend(series)
    for n, row in enumerate(rows):
        bar, *marks = row.figures
        if bar is not None:
            axes.barh(n, bar["accuracy"], 0.62, color=colour(0), alpha=0.85)
            axes.plot(bar["ci95"], [n, n], color=SOFT, linewidth=1)
            _beside(axes, 1, n, f"{100 * bar['accuracy']:.0f} %")
        for m, figure in enumerate(marks, start=1):
            if figure is not None:
                chart.mark(figure["accuracy"], n, m, f"{row.name}: {_told(figure)}")
    return chart


@styled
def confusion(title: str, labels: Sequence[str], matrix: NDArray[np.int64]) -> Chart:
    """What was there, by row, and what was heard, by column; mistakes in the other colour.

    Args:
        title: above the chart.
        labels: of rows and columns.
        matrix: counts, shape (labels, labels).
    """
    size = 32 * len(labels)
    chart = Chart(title, 168 + size, 134 + size, left=104, right=64, top=122, bottom=12)
    axes = chart.axes
    axes.set_xlim(-0.5, len(labels) - 0.5)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="left", color=INK)
    axes.set_yticks(range(len(labels)), labels, color=INK)
    axes.annotate("was", (-10, size + 12), xycoords="axes points", ha="right", color=SOFT)
    axes.annotate("heard as", (0, size + 78), xycoords="axes points", color=SOFT)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    for row, column in np.ndindex(*matrix.shape):
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=RULE, linewidth=0.5))
        if count := int(matrix[row, column]):
            # Even one mistake among hundreds must be seen; no cell is so dark that its number drowns.
            shade = 0.08 + 0.5 * shares[row, column]
            axes.add_patch(
                Rectangle(corner, 1, 1, facecolor=colour(int(row != column)), alpha=shade, linewidth=0)
            )
            axes.text(column, row, str(count), ha="center", va="center")
    return chart


@styled
def costs(title: str, bars: Sequence[tuple[str, float]], unit: str) -> Chart:
    """Bars of what something costs, the first one ours."""
    chart = Chart(title, 720, 40 + 30 * len(bars), left=190, right=90, top=34, bottom=6)
    axes = chart.axes
    axes.set_xlim(0, max(value for _, value in bars))
    axes.set_xticks([])
    _names(axes, [Row(name, []) for name, _ in bars])
    axes.get_yticklabels()[0].set_fontweight("bold")
    for n, (_, value) in enumerate(bars):
        axes.barh(n, value, 0.6, color=colour(0 if n == 0 else -1), alpha=0.85)
        _beside(axes, value, n, f"{value:.3g} {unit}")
    return chart


def _names(axes: Axes, rows: Sequence[Row]) -> None:
    """A line for each row, from top to bottom, with its name before it."""
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.tick_params("y", pad=10, labelcolor=INK)


def _beside(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(
        text,
        (x, y),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=SOFT,
        annotation_clip=False,
    )


def _told(figure: Figure) -> str:
    low, high = figure["ci95"]
    return f"{100 * figure['accuracy']:.1f} % [{100 * low:.1f} %, {100 * high:.1f} %] of {figure['n']}"


def _ratio(snr_db: float) -> str:
    return "clean" if snr_db == CLEAN else f"{snr_db:g} dB"


def _axis_from(worst: float) -> float:
    """Where an axis begins: at a full ten percent below the worst figure, with room for a difference."""
    return max(0.0, min(0.6, math.floor(worst * 10 - 1e-9) / 10))
