"""A TFLite model of one graph, read into its operators and tensors.

Source: TensorFlow Lite's schema.fbs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPES = {0: "<f4", 2: "<i4", 4: "<i8", 9: "i1"}
"""NumPy's names of number types, by their numbers in the schema's TensorType."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of the TFLite model."""

    index: int
    shape: tuple[int, ...]
    data: NDArray[Any] | None
    """Of a constant; None where it is computed."""
    scale: NDArray[np.float32]
    """Of its integers, by channel or one for all; empty where its numbers mean themselves."""
    zero_point: int

    @property
    def is_quantised(self) -> bool:
        """Whether its integers stand for real numbers."""
        return self.scale.size > 0

    def shares_grid(self, other: Tensor) -> bool:
        """Whether both hold the same real numbers."""
        return np.array_equal(self.scale, other.scale) and self.zero_point == other.zero_point


@dataclass(frozen=True)
class Operator:
    """An operator of the TFLite model."""

    kind: str
    """TFLite's name of it, such as CONV_2D."""
    inputs: tuple[Tensor, ...]
    output: Tensor
    options: Any
    """The schema's table of options; None where all have their defaults."""


@dataclass(frozen=True)
class TfliteModel:
    """A TFLite model of one graph, read."""

    operators: tuple[Operator, ...]
    """In the order they run."""
    input: Tensor
    outputs: dict[str, Tensor]
    """By head."""


def read(content: bytes) -> TfliteModel:
    """Read a TFLite model with one input and a signature that names its outputs."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]

    def tensor(index: int) -> Tensor:
        found = graph.tensors[index]
        shape = () if found.shape is None else tuple(map(int, found.shape))
        data, quantisation = model.buffers[found.buffer].data, found.quantization
        scale = quantisation.scale if quantisation is not None else None
        return Tensor(
            index,
            shape,
            None if data is None else data.view(_DTYPES[found.type]).reshape(shape),
            np.zeros(0, np.float32) if scale is None else np.asarray(scale, np.float32),
            0 if scale is None or quantisation.zeroPoint is None else int(quantisation.zeroPoint[0]),
        )

    operators = tuple(
        Operator(
            names[model.operatorCodes[operator.opcodeIndex].builtinCode],
            tuple(tensor(int(index)) for index in operator.inputs if index >= 0),
            tensor(int(operator.outputs[0])),
            operator.builtinOptions,
        )
        for operator in graph.operators
    )
    heads = {output.name.decode(): tensor(output.tensorIndex) for output in model.signatureDefs[0].outputs}
    return TfliteModel(operators, tensor(int(graph.inputs[0])), heads)
