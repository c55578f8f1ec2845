"""Converts a TFLite model into ONNX, float or int8 (QDQ)."""

from __future__ import annotations

from collections.abc import Mapping

from kws_device import InputError
from kws_device._support.native_stderr import overheard
from kws_device._support.schema import json_text

from . import onnx_operators, tflite_model
from .onnx_graph import OnnxGraph

OPSET = 17
_IR_VERSION = 8
"""The format's version that belongs to the opset; later ones are refused by older runtimes."""
_INPUT = "mels"

Labels = Mapping[str, tuple[str, ...]]
"""By head, in the order of its values."""


def from_tflite(content: bytes, labels: Labels) -> bytes:
    """A TFLite model, float or int8, as ONNX: the same weights, real numbers in and out.

    An int8 model becomes a graph in the QDQ form (quantise, dequantise) with the same integers and scales:
    quantising the float model a second time would make a second model, with scores of its own.

    Args:
        content: one window (1, frames, mels) in, heads by name out.
        labels: by head; they become metadata for programs that do not read the kit's manifest.

    Returns:
        equal bytes for equal content.

    Raises:
        InputError: an operator that this export does not know.
    """
    from onnx import TensorProto, helper

    model = tflite_model.read(content)
    graph = OnnxGraph()
    graph.define(model.input, graph.on_grid(model.input, _INPUT))
    for operator in model.operators:
        onnx_operators.convert(graph, operator)
    heads = {graph.channels_last(tensor): head for head, tensor in model.outputs.items()}
    for node in graph.nodes:
        node.ClearField("name")
        node.input[:] = [heads.get(name, name) for name in node.input]
        node.output[:] = [heads.get(name, name) for name in node.output]
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "kws",
            [helper.make_tensor_value_info(_INPUT, TensorProto.FLOAT, model.input.shape)],
            [
                helper.make_tensor_value_info(head, TensorProto.FLOAT, tensor.shape)
                for head, tensor in model.outputs.items()
            ],
            graph.constants,
        ),
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="kws-export",
    )
    helper.set_model_props(proto, {f"labels_{head}": json_text(names) for head, names in labels.items()})
    return bytes(proto.SerializeToString(deterministic=True))


def check(content: bytes) -> None:
    """Hold a model against ONNX itself, and load it as a device does.

    Raises:
        InputError: it breaks a rule of ONNX, or ONNX Runtime has a warning about it.
    """
    import onnx
    import onnxruntime

    try:
        onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"not a valid ONNX model ({reason}); change the model") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 2  # warnings
    with overheard() as warned:
        onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    if warned:
        raise InputError(f"ONNX Runtime has a warning about the model: {warned[0]}; change the model")


def operators(content: bytes) -> list[str]:
    """The operators of an ONNX model, sorted, each once."""
    import onnx

    return sorted({node.op_type for node in onnx.load_from_string(content).graph.node})
