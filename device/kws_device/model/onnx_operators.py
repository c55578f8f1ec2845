"""The ONNX operators that a model may have: their allowed inputs, and their output shapes.

Source: onnx.ai/onnx/operators.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .graph_limits import (
    Output,
    Shape,
    axes_of,
    broadcast,
    check_constant,
    concatenated,
    positions,
    reduced,
    reshaped,
    squeezed,
    transposed,
    unsqueezed,
)

INT64 = 7


class Tensor(NamedTuple):
    """A tensor of the graph."""

    shape: Shape
    kind: int = 0
    """Number of its type in onnx.TensorProto; 0 where it is computed."""
    data: bytes = b""
    """Of a constant; empty where the tensor is computed."""

    def constants(self) -> tuple[int, ...]:
        """Whole numbers that are known before the graph runs: axes, or a shape."""
        check_constant(self.kind == INT64, len(self.data))
        return struct.unpack(f"<{len(self.data) // 8}q", self.data)


class Node(NamedTuple):
    """An operator of the graph."""

    inputs: list[Tensor]
    attributes: dict[str, int | tuple[int, ...] | bytes]

    def integer(self, name: str, default: int) -> int:
        """A whole number among the attributes."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise ValueError(f"the attribute {name} is no whole number")
        return value

    def integers(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """A list of whole numbers among the attributes."""
        value = self.attributes.get(name, tuple(default))
        if not isinstance(value, tuple):
            raise ValueError(f"the attribute {name} is no list of whole numbers")
        return value

    def axes(self) -> tuple[int, ...]:
        """Dimensions, in an attribute up to opset 12 or 17, in the second input since."""
        return self.inputs[1].constants() if len(self.inputs) > 1 else self.integers("axes", ())


def _elementwise(node: Node) -> Output:
    return Output(node.inputs[0].shape)


def _binary(node: Node) -> Output:
    return Output(broadcast(node.inputs[0].shape, node.inputs[1].shape))


def _by_channel(node: Node) -> Output:
    """Batch normalisation."""
    shape = node.inputs[0].shape
    if len(shape) < 2 or any(tensor.shape != (shape[1],) for tensor in node.inputs[1:]):
        raise ValueError(f"statistics of other channels than those of {shape}")
    return Output(shape)


def _quantised(node: Node) -> Output:
    shape, scale = node.inputs[0].shape, node.inputs[1].shape
    if math.prod(scale) > 1:
        (axis,) = axes_of(len(shape), [node.integer("axis", 1)])
        if scale != (shape[axis],):
            raise ValueError(f"scales of {scale} for a tensor of {shape}")
    if any(tensor.shape != scale for tensor in node.inputs[2:]):
        raise ValueError("as many zero points as scales are wanted")
    return Output(shape)


def _fitted(node: Node, kernel: Shape) -> Shape:
    """Positions of a kernel on the first input."""
    spatial = node.inputs[0].shape[2:]
    ones = (1,) * len(kernel)
    strides, dilations = node.integers("strides", ones), node.integers("dilations", ones)
    pads = node.integers("pads", (0,) * 2 * len(kernel))
    if not kernel or len({len(spatial), len(kernel), len(strides), len(dilations), len(pads) / 2}) != 1:
        raise ValueError(f"a kernel of {kernel} does not fit {spatial}")
    if min(pads) < 0 or node.integer("ceil_mode", 0):
        raise ValueError("a kernel is cropped, or rounded up")
    auto = node.attributes.get("auto_pad", b"NOTSET")
    if auto not in (b"NOTSET", b"VALID", b"SAME_UPPER", b"SAME_LOWER"):
        raise ValueError("auto_pad is none that is known here")
    padding: list[int | None] = [
        before + after for before, after in zip(pads, pads[len(kernel) :], strict=False)
    ]
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        padding = [None] * len(kernel)
    return tuple(map(positions, spatial, kernel, strides, dilations, padding))


def _conv(node: Node) -> Output:
    shape, (filters, depth, *kernel) = node.inputs[0].shape, _at_least(3, node.inputs[1].shape)
    groups = node.integer("group", 1)
    if len(shape) < 3 or groups < 1 or shape[1] != depth * groups or filters % groups:
        raise ValueError(f"a kernel of {node.inputs[1].shape} in {groups} groups on {shape}")
    if node.integers("kernel_shape", kernel) != tuple(kernel):
        raise ValueError("kernel_shape is not that of the kernel")
    if any(bias.shape != (filters,) for bias in node.inputs[2:]):
        raise ValueError(f"a bias of another size than {filters}")
    fitted = _fitted(node, tuple(kernel))
    patches = shape[0] * math.prod(fitted) * depth * math.prod(kernel)
    return Output((shape[0], filters, *fitted), patches * filters, patches)


def _pool(node: Node) -> Output:
    shape, kernel = _at_least(3, node.inputs[0].shape), node.integers("kernel_shape", ())
    fitted = _fitted(node, kernel)
    return Output((*shape[:2], *fitted), math.prod((*shape[:2], *fitted, *kernel)))


def _global_pool(node: Node) -> Output:
    shape = _at_least(3, node.inputs[0].shape)
    return Output((*shape[:2], *(1,) * (len(shape) - 2)))


def _at_least(rank: int, shape: Shape) -> Shape:
    if len(shape) < rank:
        raise ValueError(f"{shape} has fewer than {rank} dimensions")
    return shape


def _matmul(node: Node) -> Output:
    a, b = (_at_least(2, tensor.shape) for tensor in node.inputs)
    if a[-1] != b[-2]:
        raise ValueError(f"a product of {a} and {b}")
    shape = (*broadcast(a[:-2], b[:-2]), a[-2], b[-1])
    return Output(shape, math.prod(shape) * a[-1])


def _gemm(node: Node) -> Output:
    a, b = (tensor.shape for tensor in node.inputs[:2])
    a = a[::-1] if node.integer("transA", 0) else a
    b = b[::-1] if node.integer("transB", 0) else b
    if len(a) != 2 or len(b) != 2 or a[1] != b[0]:
        raise ValueError(f"a product of {a} and {b}")
    shape = (a[0], b[1])
    if any(broadcast(shape, bias.shape) != shape for bias in node.inputs[2:]):
        raise ValueError(f"a bias larger than {shape}")
    return Output(shape, math.prod(shape) * a[1])


def _reshape(node: Node) -> Output:
    shape, wanted = node.inputs[0].shape, node.inputs[1].constants()
    if node.integer("allowzero", 0) == 0:  # a zero keeps what is there
        wanted = tuple(
            shape[axis] if size == 0 and axis < len(shape) else size for axis, size in enumerate(wanted)
        )
    return Output(reshaped(shape, wanted))


def _flatten(node: Node) -> Output:
    shape, axis = node.inputs[0].shape, node.integer("axis", 1)
    if not 0 <= axis <= len(shape):
        raise ValueError(f"{shape} is flattened at {axis}")
    return Output((math.prod(shape[:axis]), math.prod(shape[axis:])))


def _transpose(node: Node) -> Output:
    shape = node.inputs[0].shape
    return Output(transposed(shape, node.integers("perm", range(len(shape))[::-1])))


def _mean(node: Node) -> Output:
    shape = node.inputs[0].shape
    return Output(reduced(shape, node.axes() or range(len(shape)), bool(node.integer("keepdims", 1))))


def _concat(node: Node) -> Output:
    return Output(concatenated([tensor.shape for tensor in node.inputs], node.integer("axis", 0)))


def _unsqueeze(node: Node) -> Output:
    return Output(unsqueezed(node.inputs[0].shape, node.axes()))


def _squeeze(node: Node) -> Output:
    return Output(squeezed(node.inputs[0].shape, node.axes()))


class Rule(NamedTuple):
    """What an operator may be given."""

    inputs: range
    """How many."""
    output: Callable[[Node], Output]


_ONE, _TWO, _TWO_OR_THREE = range(1, 2), range(2, 3), range(2, 4)
_UNARY = ("Relu", "Sigmoid", "Tanh", "Softmax", "Identity", "LeakyRelu", "HardSigmoid", "HardSwish")
_BINARY = ("Add", "Sub", "Mul", "Div")
RULES: dict[str, Rule] = {
    **{name: Rule(_ONE, _elementwise) for name in _UNARY},
    **{name: Rule(_TWO, _binary) for name in _BINARY},
    "AveragePool": Rule(_ONE, _pool),
    "BatchNormalization": Rule(range(5, 6), _by_channel),
    "Clip": Rule(range(1, 4), _elementwise),
    "Concat": Rule(range(1, 33), _concat),
    "Conv": Rule(_TWO_OR_THREE, _conv),
    "DequantizeLinear": Rule(_TWO_OR_THREE, _quantised),
    "Flatten": Rule(_ONE, _flatten),
    "Gemm": Rule(_TWO_OR_THREE, _gemm),
    "GlobalAveragePool": Rule(_ONE, _global_pool),
    "MatMul": Rule(_TWO, _matmul),
    "MaxPool": Rule(_ONE, _pool),
    "QuantizeLinear": Rule(_TWO_OR_THREE, _quantised),
    "ReduceMean": Rule(range(1, 3), _mean),
    "Reshape": Rule(_TWO, _reshape),
    "Squeeze": Rule(range(1, 3), _squeeze),
    "Transpose": Rule(_ONE, _transpose),
    "Unsqueeze": Rule(range(1, 3), _unsqueeze),
}
"""Those of our exports, and of other small convolutional networks."""
