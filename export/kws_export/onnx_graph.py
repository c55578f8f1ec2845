"""An ONNX graph that is built operator by operator from the tensors of a TFLite model.

TFLite computes on channels-last images (batch, height, width, channels), ONNX on channels-first ones. An
image stays in the layout in which it was computed, and is transposed where the other one is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .tflite_model import Tensor

CHANNELS_FIRST, CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)
"""Permutations of an image's dimensions: to the layout, from the other one."""


@dataclass
class OnnxGraph:
    """Nodes and constants so far. Every tensor in it holds real numbers, dequantised ones of int8 models."""

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    _known: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)
    """Names of constants by their content: equal ones are stored once."""
    _values: dict[tuple[int, bool], str] = field(default_factory=dict)
    """Names of tensors by their TFLite index, and whether they are channels-first."""

    def add(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Append a node with one output; returns the output's name."""
        from onnx import helper

        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, values: NDArray[Any]) -> str:
        """Store numbers, unless equal ones are stored already; returns their name."""
        from onnx import numpy_helper

        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._known:
            self._known[key] = f"c{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(np.asarray(values, order="C"), self._known[key]))
        return self._known[key]

    def define(self, tensor: Tensor, name: str, channels_first: bool = False) -> None:
        """Say which ONNX tensor holds the numbers of a TFLite tensor, and in which layout."""
        self._values[tensor.index, channels_first] = name

    def is_channels_first(self, tensor: Tensor) -> bool:
        """Whether a tensor was computed in ONNX's own layout."""
        return (tensor.index, True) in self._values

    def channels_last(self, tensor: Tensor) -> str:
        """The name of a tensor in TFLite's layout."""
        if tensor.data is not None:
            return self.dequantised(tensor, tensor.data)
        if (tensor.index, False) not in self._values:
            name = self.add("Transpose", [self._values[tensor.index, True]], perm=CHANNELS_LAST)
            self.define(tensor, name)
        return self._values[tensor.index, False]

    def channels_first(self, tensor: Tensor) -> str:
        """The name of an image in ONNX's layout; a constant is broadcast to four dimensions before."""
        if tensor.data is not None:
            image = tensor.data.reshape((1,) * (4 - tensor.data.ndim) + tensor.data.shape)
            return self.dequantised(tensor, image.transpose(CHANNELS_FIRST))
        if (tensor.index, True) not in self._values:
            batch, height, width, channels = tensor.shape
            last = self._values[tensor.index, False]
            if channels == 1:
                name = self.reshaped(last, (batch, channels, height, width))
            else:
                name = self.add("Transpose", [last], perm=CHANNELS_FIRST)
            self.define(tensor, name, channels_first=True)
        return self._values[tensor.index, True]

    def in_memory_order(self, tensor: Tensor) -> str:
        """The name of a tensor whose numbers lie in TFLite's order, whatever its shape."""
        if len(tensor.shape) == 4 and (tensor.index, True) in self._values:
            _, height, width, channels = tensor.shape
            if channels == 1 or height * width == 1:
                return self._values[tensor.index, True]
        return self.channels_last(tensor)

    def reshaped(self, name: str, shape: Sequence[int]) -> str:
        """The same numbers in another shape."""
        return self.add("Reshape", [name, self.constant(np.array(shape, dtype=np.int64))])

    def dequantised(self, tensor: Tensor, data: NDArray[Any], axis: int = 0) -> str:
        """A constant's real numbers; `axis` is that of its channels, where each has a scale."""
        if not tensor.is_quantised:
            return self.constant(data)
        if tensor.scale.size > 1:
            return self.add("DequantizeLinear", [self.constant(data), self.constant(tensor.scale)], axis=axis)
        inputs = [self.constant(data), self.constant(tensor.scale[0])]
        if tensor.zero_point:
            inputs.append(self.constant(np.array(tensor.zero_point, dtype=data.dtype)))
        return self.add("DequantizeLinear", inputs)

    def on_grid(self, tensor: Tensor, name: str) -> str:
        """Real numbers rounded to what a quantised tensor can hold; unchanged where it is not quantised."""
        if not tensor.is_quantised:
            return name
        grid = [
            self.constant(tensor.scale[0]),
            self.constant(np.array(tensor.zero_point, dtype=np.int8)),
        ]
        return self.add("DequantizeLinear", [self.add("QuantizeLinear", [name, *grid]), *grid])
