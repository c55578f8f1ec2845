"""Keras to ONNX, float and int8 (QDQ), through tf2onnx."""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from kws_device import InputError
from kws_device._support.native_stderr import overheard, quiet_libraries
from kws_device._support.schema import json_text
from kws_training.loop.bn_folding import folded

from . import tflite_graph

if TYPE_CHECKING:
    import keras

OPSET = 17

Labels = Mapping[str, tuple[str, ...]]
"""By head, in the order of its values."""


def float_model(model: keras.Model, labels: Labels) -> bytes:
    """The model as float32 ONNX, one window (1, frames, mels) in, heads by name out; `labels` by head."""
    import tensorflow as tf

    # tf2onnx itself folds batch normalisation into two-dimensional convolutions alone.
    single = folded(model)
    frames, mels = model.input_shape[1:]
    # A fixed batch of one leaves no shape arithmetic in the graph.
    window = tf.TensorSpec((1, frames, mels), tf.float32, name="mels")

    def answers(window: Any) -> Any:
        return {head: tf.identity(scores, head) for head, scores in single(window, training=False).items()}

    with _as_tf2onnx_expects():
        import tf2onnx

        proto, _ = tf2onnx.convert.from_function(
            tf.function(answers, input_signature=[window]), input_signature=[window], opset=OPSET
        )
    _canonical(proto)
    _tell_labels(proto, labels)
    return bytes(proto.SerializeToString(deterministic=True))


def _canonical(proto: Any) -> None:
    """Give the graph an order and names that depend on nothing but what it computes.

    tf2onnx numbers its tensors in an order that changes from process to process, and an export is to
    repeat byte for byte.
    """
    graph = proto.graph
    makers = {output: node for node in graph.node for output in node.output}
    weights = {weight.name: weight for weight in graph.initializer}
    names = {tensor.name: tensor.name for tensor in (*graph.input, *graph.output)}
    nodes: list[Any] = []
    used: list[Any] = []

    def visit(tensor: str) -> None:
        if tensor in weights and tensor not in names:
            names[tensor] = f"weight_{len(used)}"
            used.append(weights[tensor])
        node = makers.get(tensor)
        if node is None or any(node is known for known in nodes):
            return
        for source in node.input:
            visit(source)
        for number, output in enumerate(node.output):
            names.setdefault(output, f"{node.op_type}_{len(nodes)}" + (f"_{number}" if number else ""))
        nodes.append(node)

    for head in sorted(tensor.name for tensor in graph.output):
        visit(head)
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
        node.input[:] = [names[tensor] for tensor in node.input]
        node.output[:] = [names[tensor] for tensor in node.output]
        if not node.domain:
            node.ClearField("domain")  # an empty one may be written, or not
    for weight in used:
        weight.name = names[weight.name]
    # Messages that are taken out of their list are gone: copies go back in.
    nodes, used = copy.deepcopy(nodes), copy.deepcopy(used)
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(used)
    graph.name = "kws"


def int8_model(content: bytes, labels: Labels) -> bytes:
    """An int8 TFLite model as ONNX (QDQ): the same integers and scales, real numbers in and out.

    Quantising the float model a second time would make a second model, with scores of its own.

    Args:
        content: of tflite.int8_model.
        labels: by head.
    """
    with TemporaryDirectory() as folder, _as_tf2onnx_expects(), quiet_libraries():
        import tf2onnx

        path = Path(folder) / "int8.tflite"
        path.write_bytes(content)
        proto, _ = tf2onnx.convert.from_tflite(str(path), opset=OPSET)
    _take_real_numbers(proto, tflite_graph.output_tensors(content))
    _canonical(proto)
    _tell_labels(proto, labels)
    return bytes(proto.SerializeToString(deterministic=True))


def _take_real_numbers(proto: Any, heads: dict[str, str]) -> None:
    """Quantise the input and give the outputs, `heads` by name, as real numbers, within the graph."""
    from onnx import TensorProto, helper

    graph = proto.graph
    (integers,) = graph.input
    inward = next(node for node in graph.node if node.input[0] == integers.name)
    while inward.op_type != "DequantizeLinear":  # but Reshape, say
        inward = next(node for node in graph.node if node.input[0] == inward.output[0])
    quantise = helper.make_node("QuantizeLinear", ["mels", *inward.input[1:]], [integers.name])
    shapes = {
        tensor.name: [size.dim_value for size in tensor.type.tensor_type.shape.dim]
        for tensor in (integers, *graph.output)
    }
    makers = {output: node for node in graph.node for output in node.output}
    dequantise = [
        helper.make_node("DequantizeLinear", [tensor, *makers[tensor].input[1:]], [head])
        for head, tensor in heads.items()
    ]
    del graph.input[:], graph.output[:]
    graph.input.append(helper.make_tensor_value_info("mels", TensorProto.FLOAT, shapes[integers.name]))
    graph.output.extend(
        helper.make_tensor_value_info(head, TensorProto.FLOAT, shapes[tensor])
        for head, tensor in heads.items()
    )
    graph.node.extend([quantise, *dequantise])


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


def _tell_labels(proto: Any, labels: Labels) -> None:
    """As metadata, `labels_HEAD`, a JSON list: for programs that know nothing of the kit's manifest."""
    import onnx

    onnx.helper.set_model_props(proto, {f"labels_{head}": json_text(names) for head, names in labels.items()})


def operators(content: bytes) -> list[str]:
    """The operators of an ONNX model, sorted, each once."""
    import onnx

    return sorted({node.op_type for node in onnx.load_from_string(content).graph.node})


@contextlib.contextmanager
def _as_tf2onnx_expects() -> Iterator[None]:
    """tf2onnx 1.17 asks NumPy for a name that it no longer has, and tells a lot."""
    log = logging.getLogger("tf2onnx")
    level = log.level
    missing = "object" not in vars(np)
    if missing:
        np.object = object  # type: ignore[attr-defined]
    try:
        import tf2onnx  # noqa: F401  sets its own level

        log.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            # It reads TFLite models with an interpreter that has a successor.
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        log.setLevel(level)
        if missing:
            del np.object  # type: ignore[attr-defined]
