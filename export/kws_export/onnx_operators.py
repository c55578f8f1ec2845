"""The conversion of each TFLite operator into ONNX operators.

Each rule gives real numbers: `OnnxGraph` dequantises what goes in, and `convert` rounds what comes out to the
grid of an int8 tensor.

Sources: TensorFlow Lite's schema.fbs and kernels/padding.h, onnx.ai/onnx/operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kws_device import InputError

from .onnx_graph import CHANNELS_FIRST, OnnxGraph
from .tflite_model import Operator, Tensor

_SAME = 0
"""TFLite's number of a padding that keeps the size, but for strides."""
_RELU, _RELU6 = 1, 3
"""TFLite's numbers of activations that are fused into an operator."""


def convert(graph: OnnxGraph, operator: Operator) -> None:
    """Append a TFLite operator to a graph.

    Raises:
        InputError: ONNX has no rule for it here.
    """
    if operator.kind not in _RULES:
        raise InputError(f"the ONNX export does not know the operator {operator.kind}; change the model")
    name, channels_first = _RULES[operator.kind](graph, operator)
    name = _activated(graph, name, getattr(operator.options, "fusedActivationFunction", 0))
    first, output = operator.inputs[0], operator.output
    # What only moves numbers leaves them on the grid where they are.
    if operator.kind not in _MOVES or not output.shares_grid(first):
        name = graph.on_grid(output, name)
    graph.define(output, name, channels_first)


_Named = tuple[str, bool]
"""An ONNX tensor, and whether it is channels-first."""


def _conv(graph: OnnxGraph, operator: Operator) -> _Named:
    image, kernel, *bias = operator.inputs
    # From (filters, height, width, depth) to (filters, depth, height, width).
    weights = _constant(kernel).transpose(0, 3, 1, 2)
    return _convolved(
        graph, operator, [graph.channels_first(image), graph.dequantised(kernel, weights)], bias
    )


def _depthwise_conv(graph: OnnxGraph, operator: Operator) -> _Named:
    image, kernel, *bias = operator.inputs
    # From (1, height, width, filters) to (filters, 1, height, width); each input channel is a group.
    weights = _constant(kernel).transpose(3, 0, 1, 2)
    inputs = [graph.channels_first(image), graph.dequantised(kernel, weights)]
    return _convolved(graph, operator, inputs, bias, group=image.shape[3])


def _convolved(
    graph: OnnxGraph, operator: Operator, inputs: list[str], bias: list[Tensor], **attributes: Any
) -> _Named:
    options, kernel = operator.options, operator.inputs[1].shape[1:3]
    inputs += _bias(graph, bias, operator.output.shape[-1])
    dilations = (options.dilationHFactor, options.dilationWFactor)
    if dilations != (1, 1):
        attributes["dilations"] = dilations
    geometry = _geometry(operator, kernel, dilations)
    return graph.add("Conv", inputs, **geometry, **attributes), True


def _bias(graph: OnnxGraph, bias: list[Tensor], size: int) -> list[str]:
    """The bias; zeros where TFLite leaves them out, so that each layer of a file has one."""
    if not bias:
        return [graph.constant(np.zeros(size, dtype=np.float32))]
    return [graph.dequantised(tensor, _constant(tensor)) for tensor in bias]


def _geometry(
    operator: Operator, kernel: tuple[int, ...], dilations: tuple[int, ...] = (1, 1)
) -> dict[str, Any]:
    """Kernel, strides and padding of a kernel that moves over an image, as attributes."""
    options = operator.options
    strides = (options.strideH, options.strideW)
    found: dict[str, Any] = {"kernel_shape": kernel}
    if strides != (1, 1):
        found["strides"] = strides
    if options.padding == _SAME:
        missing = [
            max((math.ceil(size / stride) - 1) * stride + (width - 1) * dilation + 1 - size, 0)
            for size, stride, width, dilation in zip(
                operator.inputs[0].shape[1:3], strides, kernel, dilations, strict=True
            )
        ]
        if any(missing):
            before = [total // 2 for total in missing]
            found["pads"] = before + [total - half for total, half in zip(missing, before, strict=True)]
    return found


def _max_pool(graph: OnnxGraph, operator: Operator) -> _Named:
    return _pooled(graph, operator, "MaxPool")


def _average_pool(graph: OnnxGraph, operator: Operator) -> _Named:
    return _pooled(graph, operator, "AveragePool")


def _pooled(graph: OnnxGraph, operator: Operator, kind: str) -> _Named:
    kernel = (operator.options.filterHeight, operator.options.filterWidth)
    image = graph.channels_first(operator.inputs[0])
    return graph.add(kind, [image], **_geometry(operator, kernel)), True


def _fully_connected(graph: OnnxGraph, operator: Operator) -> _Named:
    given, kernel, *bias = operator.inputs
    depth = kernel.shape[1]
    rows = graph.in_memory_order(given)
    if given.shape != (1, depth):
        rows = graph.reshaped(rows, (-1, depth))
    inputs = [rows, graph.dequantised(kernel, _constant(kernel).T, axis=1)]
    inputs += _bias(graph, bias, kernel.shape[0])
    return graph.add("Gemm", inputs), False


def _elementwise(kind: str) -> Callable[[OnnxGraph, Operator], _Named]:
    """An operator of two tensors, one of which may be a constant."""

    def rule(graph: OnnxGraph, operator: Operator) -> _Named:
        channels_first = any(map(graph.is_channels_first, operator.inputs))
        name_of = graph.channels_first if channels_first else graph.channels_last
        return graph.add(kind, [name_of(tensor) for tensor in operator.inputs]), channels_first

    return rule


def _function(kind: str) -> Callable[[OnnxGraph, Operator], _Named]:
    """An operator of one tensor, number by number."""

    def rule(graph: OnnxGraph, operator: Operator) -> _Named:
        name, channels_first = _given(graph, operator)
        return graph.add(kind, [name]), channels_first

    return rule


def _relu6(graph: OnnxGraph, operator: Operator) -> _Named:
    name, channels_first = _given(graph, operator)
    return _activated(graph, name, _RELU6), channels_first


def _softmax(graph: OnnxGraph, operator: Operator) -> _Named:
    if operator.options.beta != 1:
        raise InputError("the ONNX export knows no softmax with another beta than 1; change the model")
    return graph.add("Softmax", [graph.channels_last(operator.inputs[0])], axis=-1), False


def _reshape(graph: OnnxGraph, operator: Operator) -> _Named:
    return graph.reshaped(graph.in_memory_order(operator.inputs[0]), operator.output.shape), False


def _transpose(graph: OnnxGraph, operator: Operator) -> _Named:
    given, order = operator.inputs
    perm = tuple(map(int, _constant(order)))
    if perm == CHANNELS_FIRST and graph.is_channels_first(given):
        return graph.channels_first(given), False
    return graph.add("Transpose", [graph.channels_last(given)], perm=perm), False


def _mean(graph: OnnxGraph, operator: Operator) -> _Named:
    given, axes = operator.inputs
    attributes = {"axes": [int(axis) for axis in _constant(axes).ravel()]}
    keep = int(operator.options.keepDims)
    return graph.add("ReduceMean", [graph.channels_last(given)], **attributes, keepdims=keep), False


def _concatenation(graph: OnnxGraph, operator: Operator) -> _Named:
    parts = [graph.channels_last(tensor) for tensor in operator.inputs]
    return graph.add("Concat", parts, axis=operator.options.axis), False


def _given(graph: OnnxGraph, operator: Operator) -> _Named:
    """The only input, in the layout in which it was computed."""
    (given,) = operator.inputs
    channels_first = graph.is_channels_first(given)
    return graph.channels_first(given) if channels_first else graph.channels_last(given), channels_first


def _activated(graph: OnnxGraph, name: str, activation: int) -> str:
    if activation == 0:
        return name
    if activation == _RELU:
        return graph.add("Relu", [name])
    if activation == _RELU6:
        bounds = (graph.constant(np.array(bound, dtype=np.float32)) for bound in (0, 6))
        return graph.add("Clip", [name, *bounds])
    raise InputError(f"the ONNX export does not know TFLite's activation {activation}; change the model")


def _constant(tensor: Tensor) -> Any:
    if tensor.data is None:
        raise InputError("the ONNX export needs weights that are constants; change the model")
    return tensor.data


_MOVES = ("MAX_POOL_2D", "RESHAPE", "EXPAND_DIMS", "SQUEEZE", "TRANSPOSE", "CONCATENATION", "DEQUANTIZE")
"""Operators whose outputs are some of the numbers that they were given."""
_RULES: dict[str, Callable[[OnnxGraph, Operator], _Named]] = {
    "ADD": _elementwise("Add"),
    "AVERAGE_POOL_2D": _average_pool,
    "CONCATENATION": _concatenation,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise_conv,
    "DEQUANTIZE": _given,
    "EXPAND_DIMS": _reshape,
    "FULLY_CONNECTED": _fully_connected,
    "LOGISTIC": _function("Sigmoid"),
    "MAX_POOL_2D": _max_pool,
    "MEAN": _mean,
    "MUL": _elementwise("Mul"),
    "QUANTIZE": _given,
    "RELU": _function("Relu"),
    "RELU6": _relu6,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
    "SQUEEZE": _reshape,
    "SUB": _elementwise("Sub"),
    "TANH": _function("Tanh"),
    "TRANSPOSE": _transpose,
}
