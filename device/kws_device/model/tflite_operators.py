"""The TFLite operators that a model may have: their allowed inputs, and their output shapes.

Source: TensorFlow Lite's kernels, and its schema.fbs, whose numbers of operators and fields stand here.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import NamedTuple

from .flatbuffer import BYTE, FLOAT, INT, LONG, UBYTE, Scalar, Table
from .graph_limits import (
    Output,
    Shape,
    broadcast,
    check_constant,
    concatenated,
    positions,
    reduced,
    reshaped,
    squeezed,
    transposed,
    unsqueezed,
    values_of,
)

FLOAT32, INT32, UINT8, INT64, INT8 = 0, 2, 3, 4, 9
LAYOUTS: dict[int, Scalar] = {FLOAT32: FLOAT, INT32: INT, UINT8: UBYTE, INT64: LONG, INT8: BYTE}
"""By the number of a type: how a value of it is stored."""
_SAME, _VALID = 0, 1
"""Paddings."""


class Tensor(NamedTuple):
    """A tensor of the graph."""

    shape: Shape
    kind: int
    """Number of its type, a key of LAYOUTS."""
    data: memoryview
    """Of a constant; empty where the tensor is computed."""
    scales: tuple[float, ...]
    """Of its integers; empty where they, or floating-point numbers, mean themselves."""

    def constants(self) -> tuple[int, ...]:
        """Whole numbers that are known before the graph runs: axes, or a shape."""
        check_constant(self.kind in (INT32, INT64), len(self.data))
        layout = LAYOUTS[self.kind]
        return struct.unpack(f"<{len(self.data) // layout.size}{layout.format[-1]}", self.data)


class Operator(NamedTuple):
    """An operator of the graph."""

    inputs: list[Tensor]
    output: Tensor
    options: Table | None
    """None where all have their defaults."""

    def option(self, field: int, layout: Scalar = INT, default: int = 0) -> int:
        """A whole number of the options."""
        return default if self.options is None else self.options.number(field, layout, default)

    def options_list(self, field: int) -> tuple[int, ...]:
        """A list of whole numbers of the options."""
        return () if self.options is None else self.options.integers(field, INT, 8)

    def weights(self) -> Shape:
        """The shape of the second input, a constant."""
        if not self.inputs[1].data:
            raise ValueError("weights are not constant")
        return self.inputs[1].shape

    def check_bias(self, channels: int) -> None:
        """Raises ValueError where the third input, if there is one, is no bias of so many channels."""
        for bias in self.inputs[2:]:
            if bias.shape != (channels,):
                raise ValueError(f"a bias of {bias.shape} for {channels} channels")


def _elementwise(operator: Operator) -> Output:
    return Output(operator.inputs[0].shape)


def _binary(operator: Operator) -> Output:
    return Output(broadcast(operator.inputs[0].shape, operator.inputs[1].shape))


def _sum(operator: Operator) -> Output:
    scales = [tensor.scales[0] for tensor in operator.inputs if tensor.scales]
    # The kernel brings both to twice the larger scale, in 20 bits, and ends the process where that fails.
    if scales and operator.output.scales and 2 * max(scales) >= (1 << 20) * operator.output.scales[0]:
        raise ValueError("the scales of a sum are too far apart")
    return _binary(operator)


def _softmax(operator: Operator) -> Output:
    # The int8 kernel ends the process over a factor of zero.
    if operator.options is None or operator.options.real(0, FLOAT) != 1:
        raise ValueError("a softmax with another factor than 1")
    return _elementwise(operator)


def _plane(shape: Shape) -> tuple[int, int, int, int]:
    if len(shape) != 4:
        raise ValueError(f"an image is expected, not {shape}")
    batch, height, width, channels = shape
    return batch, height, width, channels


def _fitted(operator: Operator, kernel: tuple[int, int], dilations: tuple[int, int]) -> tuple[int, int]:
    """Height and width of what a kernel makes of the first input. Options begin alike for all kernels."""
    _, height, width, _ = _plane(operator.inputs[0].shape)
    if operator.option(0, BYTE) not in (_SAME, _VALID):
        raise ValueError("a padding that is neither SAME nor VALID")
    padding = None if operator.option(0, BYTE) == _SAME else 0
    strides = operator.option(2), operator.option(1)
    found = [
        positions(length, size, stride, dilation, padding)
        for length, size, stride, dilation in zip((height, width), kernel, strides, dilations, strict=True)
    ]
    return found[0], found[1]


def _conv_2d(operator: Operator) -> Output:
    batch, _, _, channels = _plane(operator.inputs[0].shape)
    filters, *kernel, depth = _plane(operator.weights())
    if depth != channels:
        raise ValueError(f"a kernel for {depth} channels on {channels}")
    operator.check_bias(filters)
    dilations = operator.option(5, default=1), operator.option(4, default=1)
    height, width = _fitted(operator, (kernel[0], kernel[1]), dilations)
    patches = batch * height * width * math.prod(kernel) * depth
    return Output((batch, height, width, filters), patches * filters, patches)


def _depthwise_conv_2d(operator: Operator) -> Output:
    batch, _, _, channels = _plane(operator.inputs[0].shape)
    one, *kernel, filters = _plane(operator.weights())
    multiplier = operator.option(3)
    if one != 1 or filters != channels * multiplier:
        raise ValueError(f"a depthwise kernel of {filters} filters on {channels} channels")
    operator.check_bias(filters)
    dilations = operator.option(6, default=1), operator.option(5, default=1)
    height, width = _fitted(operator, (kernel[0], kernel[1]), dilations)
    return Output((batch, height, width, filters), batch * height * width * math.prod(kernel) * filters)


def _pool_2d(operator: Operator) -> Output:
    batch, _, _, channels = _plane(operator.inputs[0].shape)
    kernel = operator.option(4), operator.option(3)
    height, width = _fitted(operator, kernel, (1, 1))
    return Output((batch, height, width, channels), batch * height * width * math.prod(kernel) * channels)


def _fully_connected(operator: Operator) -> Output:
    shape, weights = operator.inputs[0].shape, operator.weights()
    if len(weights) != 2 or values_of(shape) % weights[1] or operator.option(1, BYTE):
        raise ValueError(f"a matrix of {weights} on {shape}")
    units, depth = weights
    operator.check_bias(units)
    rows = values_of(shape) // depth
    if operator.option(2, BYTE):
        if shape[-1] != depth:
            raise ValueError(f"a matrix of {weights} on {shape}")
        return Output((*shape[:-1], units), rows * depth * units)
    return Output((rows, units), rows * depth * units)


def _reshape(operator: Operator) -> Output:
    shape, *wanted = operator.inputs
    return Output(reshaped(shape.shape, wanted[0].constants() if wanted else operator.options_list(0)))


def _transpose(operator: Operator) -> Output:
    return Output(transposed(operator.inputs[0].shape, operator.inputs[1].constants()))


def _mean(operator: Operator) -> Output:
    axes = operator.inputs[1].constants()
    return Output(reduced(operator.inputs[0].shape, axes, bool(operator.option(0, BYTE))))


def _concatenation(operator: Operator) -> Output:
    return Output(concatenated([tensor.shape for tensor in operator.inputs], operator.option(0)))


def _pad(operator: Operator) -> Output:
    shape, around = operator.inputs[0].shape, operator.inputs[1].constants()
    if len(around) != 2 * len(shape) or min(around, default=0) < 0:
        raise ValueError(f"a padding of {around[:8]} on {shape}")
    return Output(tuple(size + around[2 * axis] + around[2 * axis + 1] for axis, size in enumerate(shape)))


def _expand_dims(operator: Operator) -> Output:
    return Output(unsqueezed(operator.inputs[0].shape, operator.inputs[1].constants()))


def _squeeze(operator: Operator) -> Output:
    return Output(squeezed(operator.inputs[0].shape, operator.options_list(0)))


class Rule(NamedTuple):
    """What an operator may be given."""

    inputs: range
    """How many."""
    options: int
    """Type of its table of options."""
    option_fields: int
    output: Callable[[Operator], Output]


_ONE, _TWO, _WEIGHTED, _SEVERAL = range(1, 2), range(2, 3), range(2, 4), range(1, 33)
RULES = {
    0: Rule(_TWO, 11, 2, _sum),  # ADD
    1: Rule(_ONE, 5, 6, _pool_2d),  # AVERAGE_POOL_2D
    2: Rule(_SEVERAL, 10, 2, _concatenation),
    3: Rule(_WEIGHTED, 1, 7, _conv_2d),
    4: Rule(_WEIGHTED, 2, 7, _depthwise_conv_2d),
    6: Rule(_ONE, 38, 0, _elementwise),  # DEQUANTIZE
    9: Rule(_WEIGHTED, 8, 5, _fully_connected),
    14: Rule(_ONE, 0, 0, _elementwise),  # LOGISTIC
    17: Rule(_ONE, 5, 6, _pool_2d),  # MAX_POOL_2D
    18: Rule(_TWO, 21, 1, _binary),  # MUL
    19: Rule(_ONE, 0, 0, _elementwise),  # RELU
    21: Rule(_ONE, 0, 0, _elementwise),  # RELU6
    22: Rule(range(1, 3), 17, 1, _reshape),
    25: Rule(_ONE, 9, 1, _softmax),
    28: Rule(_ONE, 0, 0, _elementwise),  # TANH
    34: Rule(_TWO, 22, 0, _pad),
    39: Rule(_TWO, 26, 0, _transpose),
    40: Rule(_TWO, 27, 1, _mean),
    41: Rule(_TWO, 28, 2, _sum),  # SUB
    43: Rule(_ONE, 30, 1, _squeeze),
    70: Rule(_TWO, 52, 0, _expand_dims),
    114: Rule(_ONE, 89, 0, _elementwise),  # QUANTIZE
}
"""By TFLite's numbers of operators: those of our exports, and of other small convolutional networks."""
