"""Limits of a keyword model's graph, and the output shapes of its operators.

An inference library takes from a graph how much memory it needs and how long it computes: without limits
a file of a kilobyte can ask for all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Shape = tuple[int, ...]

MOST_OPERATORS = 1000
MOST_TENSORS = 4000
"""With constants. Of the shipped models accurate.onnx has most: 223 operators on 217 constants."""
MOST_ENDS = 8
"""Inputs or outputs of a graph."""
_MOST_DIMENSIONS = 6
_MOST_VALUES = 16_000_000
"""In all tensors that are computed, and in the patches of one convolution: 64 MB of float32. Our models,
those of the study among them, compute up to 2.1 million, and have patches of up to 141,000."""
_MOST_READ = 32_000_000
"""By all operators together, weights counted anew for each: libraries pack a copy for every one. Ours read
up to 3.8 million."""
_MOST_MULTIPLY_ADDS = 2_000_000_000
"""For one window. Ours take up to 26 million."""


_MOST_CONSTANT_BYTES = 128
"""Of axes or a shape."""


class Output(NamedTuple):
    """What an operator computes."""

    shape: Shape
    multiply_adds: int = 0
    patches: int = 0
    """Values that a convolution may copy, to multiply them as one matrix."""


class Budget:
    """Adds up what a graph computes."""

    def __init__(self) -> None:
        self._values = 0
        self._read = 0
        self._multiply_adds = 0

    def spend(self, output: Output, inputs: Iterable[Shape]) -> Shape:
        """Count an operator's output and what it reads, and return the output's shape.

        Raises:
            ValueError: the shape is none, or the graph computes too much.
        """
        self.count(output.shape)
        self._read += sum(map(values_of, inputs))
        if self._read > _MOST_READ:
            raise ValueError(f"its operators read more than {_MOST_READ:,} values")
        self._multiply_adds += output.multiply_adds
        if output.patches > _MOST_VALUES:
            raise ValueError(f"a convolution copies more than {_MOST_VALUES:,} values")
        if self._multiply_adds > _MOST_MULTIPLY_ADDS:
            raise ValueError(f"its graph takes more than {_MOST_MULTIPLY_ADDS:,} multiply-adds")
        return output.shape

    def count(self, shape: Shape) -> None:
        """Count a tensor that is given, or computed. Raises ValueError as `spend`."""
        self._values += values_of(shape)
        if self._values > _MOST_VALUES:
            raise ValueError(f"its graph computes more than {_MOST_VALUES:,} values")


def values_of(shape: Shape) -> int:
    """The number of values of a tensor. Raises ValueError for a shape that no tensor of ours has."""
    if len(shape) > _MOST_DIMENSIONS or not all(1 <= size <= _MOST_VALUES for size in shape):
        raise ValueError(f"a tensor has the shape {shape[: _MOST_DIMENSIONS + 1]}")
    return math.prod(shape)


def check_constant(whole_numbers: bool, size: int) -> None:
    """Raises ValueError where a tensor of `size` bytes cannot be axes or a shape that are constant."""
    if not whole_numbers or not 0 < size <= _MOST_CONSTANT_BYTES:
        raise ValueError("axes or a shape are not constant")


def _check_positive(*sizes: int) -> None:
    """Raises ValueError for a stride, a dilation or a kernel's size that is none."""
    if not all(1 <= size <= 1 << 20 for size in sizes):
        raise ValueError(f"a stride, dilation or kernel is {sizes}")


def positions(length: int, kernel: int, stride: int, dilation: int, padding: int | None) -> int:
    """So often a kernel fits along one dimension; `padding` in all, None: as much as it takes (SAME).

    Raises:
        ValueError: it does not fit at all, or no kernel has such numbers.
    """
    _check_positive(length, kernel, stride, dilation)
    if padding is None:
        return -(-length // stride)
    room = length + padding - dilation * (kernel - 1) - 1
    if room < 0 or not 0 <= padding <= dilation * kernel * 2:
        raise ValueError(f"a kernel of {kernel} does not fit {length} values")
    return room // stride + 1


def broadcast(a: Shape, b: Shape) -> Shape:
    """Shape of the sum of two tensors. Raises ValueError where they have none."""
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    return tuple(_common(*pair) for pair in pairs)


def _common(a: int, b: int) -> int:
    if a != b and 1 not in (a, b):
        raise ValueError(f"sizes of {a} and {b} cannot be combined")
    return max(a, b)


def reshaped(shape: Shape, wanted: Sequence[int]) -> Shape:
    """The wanted shape, in which one size may be -1. Raises ValueError where the values do not fill it."""
    values = values_of(shape)
    known = math.prod(size for size in wanted if size != -1)
    if list(wanted).count(-1) == 1 and known > 0:
        wanted = [values // known if size == -1 else size for size in wanted]
    if len(wanted) > _MOST_DIMENSIONS or min(wanted, default=1) < 1 or math.prod(wanted) != values:
        raise ValueError(f"{shape} cannot become {tuple(wanted)[:_MOST_DIMENSIONS]}")
    return tuple(wanted)


def axes_of(rank: int, axes: Sequence[int]) -> set[int]:
    """Dimensions; negative ones count from the end. Raises ValueError for others, and for one named twice."""
    found = {axis + rank if axis < 0 else axis for axis in axes}
    if len(found) != len(axes) or not found <= set(range(rank)):
        raise ValueError(f"{tuple(axes)[:_MOST_DIMENSIONS]} are no dimensions of {rank}")
    return found


def transposed(shape: Shape, order: Sequence[int]) -> Shape:
    """The shape in another order. Raises ValueError where that is none."""
    if sorted(order) != list(range(len(shape))):
        raise ValueError(f"{tuple(order)[:_MOST_DIMENSIONS]} is no order of {len(shape)} dimensions")
    return tuple(shape[axis] for axis in order)


def reduced(shape: Shape, axes: Sequence[int], keep: bool) -> Shape:
    """The shape of a mean over some dimensions. Raises ValueError for a dimension that is none."""
    gone = axes_of(len(shape), axes)
    if keep:
        return tuple(1 if axis in gone else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)


def concatenated(shapes: Sequence[Shape], axis: int) -> Shape:
    """The shape of tensors one after the other. Raises ValueError where another dimension differs."""
    (along,) = axes_of(len(shapes[0]), [axis])
    if len({(*shape[:along], *shape[along + 1 :]) for shape in shapes}) != 1:
        raise ValueError("tensors of different shapes are concatenated")
    return (*shapes[0][:along], sum(shape[along] for shape in shapes), *shapes[0][along + 1 :])


def unsqueezed(shape: Shape, axes: Sequence[int]) -> Shape:
    """The shape with dimensions of one put in. Raises ValueError for a place that is none."""
    rank = len(shape) + len(axes)
    new = axes_of(rank, axes)
    sizes = iter(shape)
    return tuple(1 if axis in new else next(sizes) for axis in range(rank))


def squeezed(shape: Shape, axes: Sequence[int]) -> Shape:
    """The shape without dimensions of one, all of them where none is named. Raises ValueError for others."""
    gone = axes_of(len(shape), axes or [axis for axis, size in enumerate(shape) if size == 1])
    if any(shape[axis] != 1 for axis in gone):
        raise ValueError(f"{shape} cannot be squeezed")
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)
