"""The picture of what int8 does to each layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kws_device import atomic

if TYPE_CHECKING:
    from .layers import Layer

_MOST_DB = 60.0
"""What is better is drawn as good as this."""


def layers_plot(found: Sequence[Layer], path: Path) -> None:
    """Signal-to-noise ratios by layer, from the first to the last, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, max(3.0, 0.26 * len(found) + 1.2)), layout="constrained")
    axis = figure.subplots()
    rows = range(len(found))
    axis.barh(
        rows, [min(layer.output_db, _MOST_DB) for layer in found], color="tab:blue", alpha=0.6, label="output"
    )
    axis.plot([min(layer.rounding_db, _MOST_DB) for layer in found], rows, "k.", label="its rounding alone")
    weighted = [
        (min(layer.weights_db, _MOST_DB), row)
        for row, layer in enumerate(found)
        if layer.weights_db is not None
    ]
    axis.plot(*zip(*weighted, strict=True), "x", color="tab:red", label="weights")
    axis.set_yticks(
        rows, [f"{layer.number} {layer.operator} {layer.name}"[:48] for layer in found], fontsize="small"
    )
    axis.invert_yaxis()
    axis.set_xlabel("float over its difference to int8, dB")
    axis.grid(axis="x", alpha=0.3)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)
