"""Weights to start a verifier from: its first network's, whose convolutions it has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kws_device import containers, model_file
from kws_device.errors import InputError
from kws_device.manifest import KEYWORD_HEAD, VERIFIER_OUTPUT

from .. import runs
from ..folding import folded
from . import settings

if TYPE_CHECKING:
    import keras

Weights = list[NDArray[np.float32]]


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
    convolutions = _of_run(start) if start.is_dir() else _of_onnx(start)
    for layer in network.layers:
        if not hasattr(layer, "kernel") or layer.name in ("places", VERIFIER_OUTPUT):
            continue
        shapes = [weights.shape for weights in layer.get_weights()]
        fitting = next(
            (i for i, of in enumerate(convolutions) if [weights.shape for weights in of] == shapes), None
        )
        if fitting is None:
            raise InputError(f"{start}: has no convolution like {layer.name}; name a run of the same widths")
        layer.set_weights(convolutions.pop(fitting))


def _of_run(run: Path) -> list[Weights]:
    """Kernels and biases of a first network's convolutions, in its layers' order."""
    runs.read_run(run)
    model = folded(runs.load_keras(run / runs.MODEL))
    heads = set(model.output) if isinstance(model.output, dict) else {KEYWORD_HEAD}
    return [
        layer.get_weights() for layer in model.layers if hasattr(layer, "kernel") and layer.name not in heads
    ]


def _of_onnx(path: Path) -> list[Weights]:
    """The same of a float .onnx, in the graph's order, as Keras lays them out."""
    file = model_file.read(model_file.find(path, (containers.ONNX,)))
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise InputError(f"{path}: reading it takes onnx; pip install onnx, or name a run") from error
    graph = onnx.load_model_from_string(file.model).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users: dict[str, Any] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, node)
    found = []
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        if node.input[1] not in constants:
            raise InputError(f"{path}: not a float model; name its float .onnx, or its run")
        bias = constants[node.input[2]] if len(node.input) > 2 else _added(node, users, constants)
        found += [[kernel, np.ravel(bias)] for kernel in _as_keras(constants[node.input[1]], node)]
    return found


def _added(convolution: Any, users: dict[str, Any], constants: dict[str, NDArray[np.float32]]) -> Any:
    """The bias of a convolution that is added later, behind changes of shape."""
    node = convolution
    while node.op_type != "Add":
        node = users[node.output[0]]
    return next(constants[name] for name in node.input if name in constants)


def _as_keras(kernel: NDArray[np.float32], node: Any) -> Iterator[NDArray[np.float32]]:
    """An ONNX kernel as that of Conv2D, Conv1D or DepthwiseConv1D."""
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    if groups > 1:
        yield kernel.reshape(len(kernel), -1).T[:, :, None]
    elif len(node.input) > 2:
        yield kernel.transpose(2, 3, 1, 0)
    else:
        yield kernel.reshape(kernel.shape[:2]).T[None]
