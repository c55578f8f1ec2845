"""A Matplotlib figure as SVG elements of a page: in the page's colours, with notes under the pointer."""

from __future__ import annotations

import copy
import functools
import io
import re
from collections.abc import Sequence
from importlib import resources
from itertools import pairwise
from typing import Any, Literal
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

INK, SOFT, RULE, PAPER = "#1c2430", "#5b6675", "#d9dee5", "#ffffff"
_SERIES = ("#0072b2", "#d55e00", "#007e5a", "#a64d87", "#8a6d00", "#444c58")
_MARKERS = "os^D"
_VARIABLES = {INK: "ink", SOFT: "soft", RULE: "rule", PAPER: "paper"}
_VARIABLES |= {light: f"s{n}" for n, light in enumerate(_SERIES)}
"""Names in charts.css, which gives dark and printed pages other colours."""
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "text.parse_math": False,  # names come from files; a dollar sign is no formula
    "font.size": 12,
    "text.color": INK,
    "axes.axisbelow": True,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.spines.bottom": False,
    "grid.color": RULE,
    "grid.linewidth": 1,
    "legend.frameon": False,
    "legend.labelcolor": "linecolor",
    "lines.linewidth": 2.5,
    "lines.markersize": 8,
    "lines.markeredgecolor": PAPER,
    "lines.markeredgewidth": 1.2,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_DPI = 72
"""At which a point of Matplotlib is a pixel of the picture."""

styled = matplotlib.rc_context(_STYLE)
"""Decorates the functions that draw."""


class Chart:
    """A figure with one pair of axes. All text is escaped, and no text is read as a formula."""

    def __init__(
        self, title: str, width: float, height: float, left: float, right: float, top: float, bottom: float
    ) -> None:
        """Empty axes in a picture of so many pixels, with these margins."""
        self.title = title
        self.width, self.height = width - left - right, height - top - bottom
        """Of the axes, in pixels."""
        self._figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=PAPER)
        place = (left / width, bottom / height, self.width / width, self.height / height)
        self.axes = self._figure.add_axes(place)
        self.axes.set_facecolor("none")
        self._figure.text(0, 1 - 6 / height, title, va="top", fontsize=13, fontweight="bold")
        self._notes: list[str] = []

    def note(self, artist: Artist, text: str) -> None:
        """Show `text` under the pointer."""
        artist.set_gid(f"note{len(self._notes)}")
        self._notes.append(text)

    def mark(self, x: float, y: float, series: int, note: str) -> None:
        """A marker, its shape and colour by the number of its series, with a note."""
        (marker,) = self.axes.plot([x], [y], **_marker(series), zorder=3)
        self.note(marker, note)

    def percent(self, which: Literal["x", "y"], shares: Sequence[float] | NDArray[np.float64]) -> None:
        """Ticks in percent at these shares of an axis, and lines across."""
        axis = self.axes.yaxis if which == "y" else self.axes.xaxis
        axis.set_ticks(list(shares), [f"{100 * share:.0f} %" for share in shares])
        self.axes.grid(axis=which)

    def legend(self, series: Sequence[str]) -> None:
        """The name of each series beside its marker, between heading and axes."""
        handles = [Line2D([], [], linestyle="", **_marker(n)) for n in range(len(series))]
        self.axes.legend(
            handles, series, ncols=len(series), loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.4,
            handletextpad=0.1, columnspacing=1.2,
        )  # fmt: skip

    def inline(self) -> str:
        """For a page that has charts.css."""
        return ElementTree.tostring(self._elements, encoding="unicode")

    def standalone(self) -> str:
        """A file of its own, light or dark as its reader likes."""
        root = copy.copy(self._elements)
        style = ElementTree.Element(f"{{{_SVG}}}style")
        style.text = stylesheet()
        root.insert(1, style)
        return ElementTree.tostring(root, encoding="unicode") + "\n"

    @functools.cached_property
    def _elements(self) -> ElementTree.Element:
        """What was drawn until this is asked for first."""
        written = io.BytesIO()
        # The salt makes the same picture the same bytes, and keeps identifiers of several on a page apart.
        with matplotlib.rc_context({**_STYLE, "svg.hashsalt": self.title}):
            self._figure.savefig(written, format="svg", metadata=dict.fromkeys(_METADATA))
        ElementTree.register_namespace("", _SVG)
        ElementTree.register_namespace("xlink", _XLINK)
        root = ElementTree.fromstring(written.getvalue())  # noqa: S314  written above
        for name in ("metadata", "defs"):
            # The definitions of the whole picture are a style for all elements of a page.
            for element in root.findall(f"{{{_SVG}}}{name}"):
                root.remove(element)
        for element in root.iter():
            _themed(element)
        size = {name: root.get(name, "").removesuffix("pt") for name in ("width", "height")}
        root.attrib.update(size, role="img", **{"class": "chart"})
        _titled(root, self.title)
        for group in root.iter(f"{{{_SVG}}}g"):
            if (found := _NOTE.fullmatch(group.get("id", ""))) is not None:
                _titled(group, self._notes[int(found[1])])
            group.attrib.pop("id", None)
        return root


_METADATA = ("Date", "Creator", "Format", "Type")
_NOTE = re.compile(r"note(\d+)")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_FONT = re.compile(r"(font: [^;']*px|font-family:) [^;]*")
"""Some versions of Matplotlib write the shorthand."""


def colour(series: int) -> str:
    """The colour of a series; the seventh has the first one's."""
    return _SERIES[series % len(_SERIES)]


def _marker(series: int) -> dict[str, Any]:
    return {"marker": _MARKERS[series % len(_MARKERS)], "color": colour(series)}


def _themed(element: ElementTree.Element) -> None:
    """Give an element the variables of charts.css instead of colours, and the font of the page."""
    element.attrib.pop("clip-path", None)  # nothing is drawn outside of the axes
    style = element.get("style")
    if style:
        style = _COLOUR.sub(lambda found: f"var(--{_VARIABLES[found[0]]})", style)
        element.set("style", _FONT.sub(r"\1 var(--font)", style))


def _titled(element: ElementTree.Element, text: str) -> None:
    title = ElementTree.Element(f"{{{_SVG}}}title")
    title.text = text
    element.insert(0, title)


def stylesheet() -> str:
    """The colours of all charts."""
    return (resources.files(__package__) / "charts.css").read_text(encoding="utf-8")


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Places of labels, moved as little as it takes to be `gap` apart, in their order."""
    order = sorted(range(len(places)), key=lambda n: places[n])
    moved = list(places)
    for _ in range(50):
        for above, below in pairwise(order):
            lacking = gap - (moved[below] - moved[above])
            if lacking > 0.01:
                moved[above] -= lacking / 2
                moved[below] += lacking / 2
    return moved
