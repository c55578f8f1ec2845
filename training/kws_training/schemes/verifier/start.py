"""Starting weights of a verifier: another verifier's, or the first network's convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kws_device.model import containers, model_file
from kws_device.model.manifest import KEYWORD_HEAD, VERIFIER_OUTPUT

from ...loop import runs
from ...loop.bn_folding import folded
from ...loop.onnx_weights import Weights, take_convolution, weights_of
from . import settings
from .network import PLACES

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class _Donor:
    """What another network has learned."""

    convolutions: list[Weights]
    """In its layers' order; a verifier's weighted means over time are the last."""
    labels: tuple[str, ...] = ()
    """Of a verifier; a first network has other heads."""
    head: Weights | None = None
    """Of a verifier."""


def take_start(network: keras.Model, start: Path, labels: tuple[str, ...]) -> None:
    """Give a new verifier another network's weights.

    A verifier gives its convolutions and its weighted means over time, and its head where the labels are the
    same. A first network gives its convolutions. The rest stays new.

    Args:
        network: of `verifier_network`.
        start: the run of a verifier or of a first network; or a float .onnx, or the name of a shipped one. If
            the file has a verifier, its weights are taken.
        labels: of the new verifier.

    Raises:
        InputError: none of these, or a network of another shape.
    """
    donor = _of_run(start) if start.is_dir() else _of_file(start)
    fresh = {VERIFIER_OUTPUT} if donor.labels else {VERIFIER_OUTPUT, PLACES}
    for layer in network.layers:
        if hasattr(layer, "kernel") and layer.name not in fresh:
            take_convolution(layer, donor.convolutions, start)
    if donor.head is not None and donor.labels == labels:
        network.get_layer(VERIFIER_OUTPUT).set_weights(donor.head)


def _of_file(file: Path) -> _Donor:
    found = model_file.read(model_file.find(file, (containers.ONNX,)))
    if found.verifier is None or found.manifest.verifier is None:
        return _Donor(weights_of(found.model, file).convolutions)
    weights = weights_of(found.verifier, file)
    return _Donor(weights.convolutions, found.manifest.verifier.labels, weights.heads[0])


def _of_run(run: Path) -> _Donor:
    if (run / settings.MODEL).is_file():
        verifier = runs.load_keras(run / settings.MODEL)
        head = verifier.get_layer(VERIFIER_OUTPUT).get_weights()
        return _Donor(_convolutions(verifier, {VERIFIER_OUTPUT}), settings.read(run).verifier.labels, head)
    runs.read_manifest(run)
    model = folded(runs.load_keras(run / runs.MODEL))
    heads = set(model.output) if isinstance(model.output, dict) else {KEYWORD_HEAD}
    return _Donor(_convolutions(model, heads))


def _convolutions(model: keras.Model, heads: set[str]) -> list[Weights]:
    """Kernels and biases of all layers but the heads, in the layers' order."""
    return [
        layer.get_weights() for layer in model.layers if hasattr(layer, "kernel") and layer.name not in heads
    ]
