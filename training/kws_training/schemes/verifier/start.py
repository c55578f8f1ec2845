"""Weights to start a verifier from: its first network's, whose convolutions it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kws_device.errors import InputError
from kws_device.manifest import KEYWORD_HEAD, VERIFIER_OUTPUT

from ...loop import runs
from ...loop.bn_folding import folded
from ...loop.onnx_weights import Weights, read_weights, take_convolution
from . import settings

if TYPE_CHECKING:
    import keras


def take_start(network: keras.Model, start: Path) -> None:
    """Give a new verifier another network's weights.

    Args:
        network: of `verifier_network`.
        start: the run of another verifier; the run of a first network; or a float .onnx of a first network.

    Raises:
        InputError: none of these, or a network of another shape.
    """
    if (start / settings.MODEL).is_file():
        other = runs.load_keras(start / settings.MODEL)
        layers = [(layer.name, layer.get_weights()) for layer in other.layers if layer.weights]
        ours = [(layer.name, layer.get_weights()) for layer in network.layers if layer.weights]
        if [[w.shape for w in of] for _, of in layers] != [[w.shape for w in of] for _, of in ours]:
            raise InputError(f"{start}: a verifier of another shape; name a run of the same recipe")
        network.set_weights(other.get_weights())
        return
    convolutions = _of_run(start) if start.is_dir() else read_weights(start).convolutions
    for layer in network.layers:
        if hasattr(layer, "kernel") and layer.name not in ("places", VERIFIER_OUTPUT):
            take_convolution(layer, convolutions, start)


def _of_run(run: Path) -> list[Weights]:
    """Kernels and biases of a first network's convolutions, in its layers' order."""
    runs.read_manifest(run)
    model = folded(runs.load_keras(run / runs.MODEL))
    heads = set(model.output) if isinstance(model.output, dict) else {KEYWORD_HEAD}
    return [
        layer.get_weights() for layer in model.layers if hasattr(layer, "kernel") and layer.name not in heads
    ]
