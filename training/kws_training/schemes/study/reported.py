"""The figures that the study reported."""

from __future__ import annotations

from dataclasses import dataclass

from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from .recipe import VARIANTS

ALONE, MIXED = "alone", "mixed"

Column = tuple[str, str]
"""Head, and alone or mixed."""


@dataclass(frozen=True)
class Reported:
    """A row of the study, shares of 1."""

    validation: dict[Column, float]
    test: dict[Column, float]


def _reported(
    scd: float | None, usd: float | None, mixed_scd: float | None, mixed_usd: float | None
) -> dict[Column, float]:
    columns = [(KEYWORD_HEAD, ALONE), (SCENE_HEAD, ALONE), (KEYWORD_HEAD, MIXED), (SCENE_HEAD, MIXED)]
    values = (scd, usd, mixed_scd, mixed_usd)
    return {column: value for column, value in zip(columns, values, strict=True) if value is not None}


ROWS = {
    "base-scd": Reported(_reported(0.944, None, 0.864, None), _reported(0.948, None, None, None)),
    "base-usd": Reported(_reported(None, 0.710, None, None), _reported(None, 0.717, None, None)),
    "run3": Reported({}, {}),
    "run4": Reported(_reported(0.902, 0.594, 0.828, 0.563), {}),
    "run5": Reported(_reported(0.929, 0.545, 0.902, 0.513), {}),
    "run6": Reported(_reported(0.934, 0.530, 0.898, 0.489), {}),
    "run7": Reported(_reported(0.905, 0.592, 0.822, 0.517), {}),
    "run8": Reported(_reported(0.932, 0.591, 0.896, 0.482), {}),
    "run9": Reported(_reported(0.935, 0.543, 0.897, 0.462), {}),
    "runx": Reported(_reported(0.937, None, 0.906, None), {}),
    "runa": Reported({}, {}),
}
"""In the study's order; its mixed sets have the row's own ratio."""

FROZEN = "frozen-heads"
"""A variant of ours: documented, but for the heads, which keep their first weights as the code had it."""
FROZEN_ROWS = ("run4", "run5", "run6")
TABLE_VARIANTS = (*VARIANTS, FROZEN)
