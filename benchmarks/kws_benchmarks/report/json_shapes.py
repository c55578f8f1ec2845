"""Checks the shape of JSON files before a page is made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Shape = Callable[[Any], bool]
"""Whether a value read from JSON looks as it must."""


def text(value: Any) -> bool:
    """A string."""
    return isinstance(value, str)


def number(value: Any) -> bool:
    """Finite and not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 <= value <= 1e15 and math.isfinite(value)


def positive(value: Any) -> bool:
    """Finite and above zero."""
    return number(value) and value > 0


def anything(value: Any) -> bool:
    """Whatever it is."""
    return True


def maybe(shape: Shape) -> Shape:
    """null, or as `shape`."""
    return lambda value: value is None or shape(value)


def listing(shape: Shape) -> Shape:
    """A list whose items are as `shape`."""
    return lambda value: isinstance(value, list) and all(map(shape, value))


def pair(shape: Shape) -> Shape:
    """A list of two items as `shape`."""
    return lambda value: listing(shape)(value) and len(value) == 2


def mapping(shape: Shape) -> Shape:
    """An object, whatever its keys, whose values are as `shape`."""
    return lambda value: isinstance(value, dict) and all(map(shape, value.values()))


def table(required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    """An object that has all of `required`, and where it has some of `optional`, as they are told.

    Other keys are passed over.
    """
    known = {**required, **(optional or {})}

    def fits(value: Any) -> bool:
        if not isinstance(value, dict) or required.keys() - value.keys():
            return False
        return all(shape(value[key]) for key, shape in known.items() if key in value)

    return fits
