"""Vector pictures with axes, as SVG elements; their colours come from charts.css."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from xml.etree import ElementTree

NAMESPACE = "http://www.w3.org/2000/svg"


@dataclass(frozen=True)
class Scale:
    """Values along an axis to pixels."""

    low: float
    high: float
    first_px: float
    """Where `low` lies."""
    last_px: float
    """Where `high` lies; may be left of or above it."""

    def __call__(self, value: float) -> float:
        """The pixel of a value, within the axis."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.first_px + share * (self.last_px - self.first_px)


class Drawing:
    """An SVG picture that grows element by element. All text is escaped."""

    def __init__(self, width: float, height: float, title: str) -> None:
        box = f"0 0 {width:g} {height:g}"
        # The size bounds pictures that stand alone; pages make them as wide as there is room.
        size = {"width": f"{width:g}", "height": f"{height:g}", "viewBox": box}
        self._root = ElementTree.Element("svg", {"xmlns": NAMESPACE, "class": "chart", "role": "img", **size})
        ElementTree.SubElement(self._root, "title").text = title

    def line(self, x1: float, y1: float, x2: float, y2: float, look: str) -> None:
        """A straight line; `look` is its class in charts.css."""
        self._add("line", look, x1=x1, y1=y1, x2=x2, y2=y2)

    def path(self, points: Iterable[tuple[float, float]], look: str, closed: bool = False) -> None:
        """A line through points, or the area within them."""
        steps = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        self._add("path", look, d=f"M{steps}" + ("Z" if closed else ""))

    def box(self, x: float, y: float, width: float, height: float, look: str, shade: float = 1.0) -> None:
        """A rectangle, `shade` of its colour strong."""
        more = {} if shade == 1 else {"fill-opacity": f"{shade:.3f}"}
        self._add("rect", look, more, x=x, y=y, width=width, height=height)

    def text(
        self, x: float, y: float, text: str, look: str = "", anchor: str = "start", turned: float = 0
    ) -> None:
        """Words; `anchor` is start, middle or end, `turned` degrees about their place."""
        more = {"text-anchor": anchor}
        if turned:
            more["transform"] = f"rotate({turned:g} {x:.1f} {y:.1f})"
        self._add("text", look, more, x=x, y=y).text = text

    def mark(self, x: float, y: float, kind: int, note: str) -> None:
        """A marker, its shape and colour by number; `note` appears under the pointer."""
        r = 4.5
        shapes: tuple[Callable[[], Sequence[tuple[float, float]]], ...] = (
            lambda: (),
            lambda: ((x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)),
            lambda: ((x, y - r - 1), (x + r + 1, y + r), (x - r - 1, y + r)),
            lambda: ((x, y - r - 1.5), (x + r + 1.5, y), (x, y + r + 1.5), (x - r - 1.5, y)),
        )
        points = shapes[kind % len(shapes)]()
        look = f"mark s{kind}"
        if points:
            steps = " L".join(f"{px:.1f} {py:.1f}" for px, py in points)
            element = self._add("path", look, d=f"M{steps}Z")
        else:
            element = self._add("circle", look, cx=x, cy=y, r=r)
        ElementTree.SubElement(element, "title").text = note

    def _add(
        self, tag: str, look: str, more: dict[str, str] | None = None, **values: float | str
    ) -> ElementTree.Element:
        attributes = {k: v if isinstance(v, str) else f"{v:.1f}" for k, v in values.items()}
        if look:
            attributes["class"] = look
        return ElementTree.SubElement(self._root, tag, attributes | (more or {}))

    def inline(self) -> str:
        """For a page that has charts.css."""
        return ElementTree.tostring(self._root, encoding="unicode")

    def standalone(self) -> str:
        """A file of its own, light or dark as its reader likes."""
        style = ElementTree.Element("style")
        style.text = stylesheet()
        self._root.insert(1, style)
        text = self.inline()
        self._root.remove(style)
        return text + "\n"


def stylesheet() -> str:
    """The colours and lines of all charts."""
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
