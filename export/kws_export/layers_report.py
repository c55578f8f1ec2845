"""The report about each layer's int8 error, as JSON, plot and page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path

import jinja2
import numpy as np
from numpy.typing import NDArray

from kws_device._support import atomic
from kws_device._support.schema import json_text

from .files import LAYERS, LAYERS_PAGE, LAYERS_PICTURE
from .layers import Layer, layers

_MOST_DB = 60.0
"""What is better is drawn as good as this."""


def write_layers(
    floating: bytes, int8: bytes, windows: NDArray[np.float32], name: str, folder: Path
) -> list[Layer]:
    """Write what `layers` finds as JSON, as a picture, and as a page that needs neither.

    Args:
        floating: the float model.
        int8: made from the same network.
        windows: normalised mels, shape (n, frames, mels).
        name: of the model.
        folder: for the three files.
    """
    found = layers(floating, int8, windows)
    content = {"model": name, "windows": len(windows), "layers": [asdict(layer) for layer in found]}
    atomic.write_text(folder / LAYERS, json_text(content, indent=1) + "\n")
    _draw(found, folder / LAYERS_PICTURE)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    text = (resources.files(__package__) / "layers.html").read_text(encoding="utf-8")
    picture = base64.b64encode((folder / LAYERS_PICTURE).read_bytes()).decode("ascii")
    atomic.write_text(folder / LAYERS_PAGE, environment.from_string(text).render(content, picture=picture))
    return found


def _draw(found: Sequence[Layer], path: Path) -> None:
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
