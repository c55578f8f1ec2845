"""The operators and tensors of a TFLite model, in execution order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from kws_device import InputError

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators whose second input is a kernel: each of its numbers is used once for each output position."""


@dataclass(frozen=True)
class Operator:
    """One step of the model."""

    kind: str
    """TFLite's name of it, such as CONV_2D."""
    name: str
    """Of its output's tensor."""
    output: int
    """Index of its output's tensor."""
    shape: tuple[int, ...]
    """Of its output."""
    kernel: int | None
    """Index of the tensor of its weights; None where it has none."""
    kernel_shape: tuple[int, ...]
    multiply_adds: int
    """For one window; 0 where it has no weights."""
    constant_bytes: int
    """Of its weights, biases and other constants."""


def operators(content: bytes) -> list[Operator]:
    """The operators of a TFLite model in the order they run."""
    model, graph, names = _opened(content)

    def read(operator: Any) -> Operator:
        kind = names[model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()]
        inputs = [int(index) for index in operator.InputsAsNumpy() if index >= 0]
        output = int(operator.Outputs(0))
        shape = _shape(graph.Tensors(output))
        kernel = inputs[1] if kind in _WEIGHTED else None
        kernel_shape = () if kernel is None else _shape(graph.Tensors(kernel))
        return Operator(
            kind=kind,
            name=graph.Tensors(output).Name().decode(),
            output=output,
            shape=shape,
            kernel=kernel,
            kernel_shape=kernel_shape,
            # The last dimension of the output is the kernel's own.
            multiply_adds=math.prod(kernel_shape) * math.prod(shape[:-1]) if kernel_shape else 0,
            constant_bytes=sum(model.Buffers(graph.Tensors(i).Buffer()).DataLength() for i in inputs),
        )

    return [read(graph.Operators(i)) for i in range(graph.OperatorsLength())]


def kinds(content: bytes) -> list[str]:
    """The kinds of a TFLite model's operators, sorted, each once."""
    return sorted({operator.kind for operator in operators(content)})


def float_tensors(content: bytes) -> list[str]:
    """Names of the tensors of a TFLite model that hold floating-point numbers."""
    from ai_edge_litert import schema_py_generated as schema

    floating = {schema.TensorType.FLOAT16, schema.TensorType.FLOAT32, schema.TensorType.FLOAT64}
    model = schema.Model.GetRootAs(content, 0)
    graphs = (model.Subgraphs(i) for i in range(model.SubgraphsLength()))
    tensors = (graph.Tensors(i) for graph in graphs for i in range(graph.TensorsLength()))
    return [tensor.Name().decode() for tensor in tensors if tensor.Type() in floating]


def output_tensors(content: bytes) -> dict[str, str]:
    """By the name of an output in the model's signature, a head: the name of its tensor."""
    model, _, _ = _opened(content)
    signature = model.SignatureDefs(0)
    outputs = (signature.Outputs(i) for i in range(signature.OutputsLength()))
    tensors = model.Subgraphs(signature.SubgraphIndex())
    return {
        output.Name().decode(): tensors.Tensors(output.TensorIndex()).Name().decode() for output in outputs
    }


def check_int8(content: bytes) -> None:
    """Hold an int8 model against what is promised of it.

    Raises:
        InputError: a tensor that holds floating-point numbers, or weights with one scale for all channels.
    """
    if floating := float_tensors(content):
        raise InputError(f"int8 does not support {floating[0]}; change the model")
    _, graph, _ = _opened(content)
    for operator in operators(content):
        if operator.kernel is None:
            continue
        # One scale for each output channel: the first dimension, or the last of a depthwise kernel.
        channels = operator.kernel_shape[-1 if operator.kind == "DEPTHWISE_CONV_2D" else 0]
        scales = graph.Tensors(operator.kernel).Quantization().ScaleLength()
        if scales != channels:
            raise InputError(f"{operator.name}: {scales} scales for {channels} channels; change the model")


def _opened(content: bytes) -> tuple[Any, Any, dict[int, str]]:
    """The model, its only graph, and the names of operators by their codes."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    model = schema.Model.GetRootAs(content, 0)
    return model, model.Subgraphs(0), names


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(map(int, tensor.ShapeAsNumpy())) if tensor.ShapeLength() else ()
