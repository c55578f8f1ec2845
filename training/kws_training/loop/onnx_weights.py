"""Weights of a float ONNX model in the layout of Keras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError
from kws_device.model import containers, model_file

if TYPE_CHECKING:
    import keras

Weights = list[NDArray[np.float32]]
"""Kernel and bias of a layer; the kernel alone where it has no bias."""


@dataclass(frozen=True)
class OnnxWeights:
    """What a network of the kit's own shape has learned, its batch normalisations folded in."""

    convolutions: list[Weights]
    """In the graph's order."""
    heads: list[Weights]
    """The dense layers, in the graph's order."""


def take_convolution(layer: keras.Layer, convolutions: list[Weights], start: Path) -> None:
    """Give a layer the first convolution of its shapes, which is taken out of the list.

    Args:
        layer: built, with a kernel.
        convolutions: of another network, in its order.
        start: where they are from, named in errors.

    Raises:
        InputError: none has these shapes.
    """
    shapes = [weights.shape for weights in layer.get_weights()]
    for i, convolution in enumerate(convolutions):
        # Each convolution of a file has a bias, of zeros where its layer had none.
        found, rest = convolution[: len(shapes)], convolution[len(shapes) :]
        if list(map(_sizes, shapes)) == [_sizes(weights.shape) for weights in found] and not np.any(rest):
            del convolutions[i]
            layer.set_weights([weights.reshape(shape) for weights, shape in zip(found, shapes, strict=True)])
            return
    raise InputError(
        f"{start}: has no convolution like {layer.name}; name a model or a run of the same widths"
    )


def _sizes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its ones: a file may hold a one-dimensional convolution as one of a single row."""
    return tuple(size for size in shape if size > 1)


def read_weights(name: str | Path) -> OnnxWeights:
    """The weights of the first network of a float .onnx, or of a shipped one by its name.

    Raises:
        InputError: no such file, no float model, or the package onnx is missing.
    """
    file = model_file.read(model_file.find(name, (containers.ONNX,)))
    return weights_of(file.model, name)


def weights_of(model: bytes, name: str | Path) -> OnnxWeights:
    """The weights of a float network.

    Args:
        model: serialised ONNX.
        name: of its file, for errors.

    Raises:
        InputError: no float model, or the package onnx is missing.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise InputError(
            f"{name}: reading its weights takes onnx; pip install onnx, or name a run"
        ) from error
    graph = onnx.load_model_from_string(model).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users: dict[str, Any] = {}
    for node in graph.node:
        for tensor in node.input:
            users.setdefault(tensor, node)
    found = OnnxWeights([], [])
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm") and node.input[1] not in constants:
            raise InputError(f"{name}: not a float model; name its float .onnx, or its run")
        if node.op_type == "Conv":
            bias = constants[node.input[2]] if len(node.input) > 2 else _added(node, users, constants)
            kernel = _as_keras(constants[node.input[1]], node)
            found.convolutions.append([kernel] if bias is None else [kernel, np.ravel(bias)])
        elif node.op_type == "Gemm":
            found.heads.append([constants[node.input[1]], constants[node.input[2]]])
    if not found.convolutions:
        raise InputError(f"{name}: not a float model; name its float .onnx, or its run")
    return found


def _added(
    convolution: Any, users: dict[str, Any], constants: dict[str, NDArray[np.float32]]
) -> NDArray[np.float32] | None:
    """The bias of a convolution that is added later, behind changes of shape; None: it has none."""
    node = convolution
    while node.op_type != "Add":
        if node.op_type == "Gemm" or node.output[0] not in users:
            return None
        node = users[node.output[0]]
    return next((constants[name] for name in node.input if name in constants), None)


def _as_keras(kernel: NDArray[np.float32], node: Any) -> NDArray[np.float32]:
    """An ONNX kernel as that of Conv2D, Conv1D or DepthwiseConv1D."""
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    if groups > 1:
        return kernel.reshape(groups, len(kernel) // groups, -1).transpose(2, 0, 1)
    if len(node.input) > 2:
        return kernel.transpose(2, 3, 1, 0)
    return kernel.reshape(kernel.shape[:2]).T[None]
