"""Keras to ONNX, float and int8 (QDQ), through tf2onnx and ONNX Runtime's static quantisation."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kws_device.manifest import Manifest

if TYPE_CHECKING:
    import keras

OPSET = 17


def float_model(model: keras.Model, manifest: Manifest) -> bytes:
    """The model as float32 ONNX, one window (1, frames, mels) in, heads by name out.

    The labels of each head are metadata, `labels_HEAD`, as a JSON list: for programs that know nothing
    of the kit's manifest.
    """
    import onnx
    import tensorflow as tf

    single = folded(model)
    frames, mels = manifest.front_end.frames, manifest.front_end.mels
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
    onnx.helper.set_model_props(
        proto, {f"labels_{head}": json.dumps(labels) for head, labels in manifest.labels.items()}
    )
    onnx.checker.check_model(proto, full_check=True)
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
    for weight in used:
        weight.name = names[weight.name]
    # Messages that are taken out of their list are gone: copies go back in.
    nodes, used = copy.deepcopy(nodes), copy.deepcopy(used)
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(used)
    graph.name = "kws"


def int8_model(content: bytes, windows: NDArray[np.float32]) -> bytes:
    """A float ONNX model as int8: weights per channel, activations per tensor, real numbers in and out.

    Args:
        content: of `float_model`.
        windows: normalised mels for calibration, shape (n, frames, mels).
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Windows(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._windows = iter(windows)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            window = next(self._windows, None)
            return None if window is None else {"mels": window[None]}

    with TemporaryDirectory() as folder, _quiet():
        paths = [Path(folder) / name for name in ("float.onnx", "prepared.onnx", "int8.onnx")]
        paths[0].write_bytes(content)
        quant_pre_process(paths[0], paths[1])
        quantize_static(
            paths[1],
            paths[2],
            Windows(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        proto = onnx.load(str(paths[2]))
    metadata = {entry.key: entry.value for entry in onnx.load_from_string(content).metadata_props}
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString(deterministic=True))


def operators(content: bytes) -> list[str]:
    """The operators of an ONNX model, sorted, each once."""
    import onnx

    return sorted({node.op_type for node in onnx.load_from_string(content).graph.node})


def folded(model: keras.Model) -> keras.Model:
    """The same function with each batch normalisation behind a convolution made part of its weights.

    tf2onnx folds those of two-dimensional convolutions alone; what is left would be quantised, and run,
    as a multiplication and an addition of its own.
    """
    import keras

    def source(layer: keras.Layer) -> keras.Layer | None:
        history = getattr(layer.input, "_keras_history", None)
        return None if history is None else history.operation

    behind = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            before = source(layer)
            if isinstance(before, keras.layers.Conv1D | keras.layers.Conv2D) and _is_linear(before):
                behind[before.name] = layer
    gone = {layer.name for layer in behind.values()}

    def clone(layer: keras.Layer) -> keras.Layer:
        if layer.name in gone:
            return keras.layers.Activation("linear", name=layer.name)
        bias = {"use_bias": True} if layer.name in behind else {}
        return type(layer).from_config({**layer.get_config(), **bias})

    def call(layer: keras.Layer, *inputs: Any, **options: Any) -> Any:
        # What takes a normalisation's place does not know its options.
        return layer(*inputs) if layer.name in gone else layer(*inputs, **options)

    single = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in model.layers:
        if layer.name in behind:
            single.get_layer(layer.name).set_weights(_with_normalisation(layer, behind[layer.name]))
        elif layer.name not in gone:
            single.get_layer(layer.name).set_weights(layer.get_weights())
    return single


def _is_linear(layer: keras.Layer) -> bool:
    return bool(layer.activation.__name__ == "linear")


def _with_normalisation(layer: keras.Layer, normalisation: keras.Layer) -> list[NDArray[np.float32]]:
    """Kernel and bias that do what the layer and the batch normalisation behind it did together."""
    kernel, *bias = layer.get_weights()
    gamma, beta, mean, variance = normalisation.get_weights()
    scale = gamma / np.sqrt(variance + normalisation.epsilon)
    return [kernel * scale, beta + ((bias[0] if bias else 0) - mean) * scale]


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
        yield
    finally:
        log.setLevel(level)
        if missing:
            del np.object  # type: ignore[attr-defined]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's quantisation advises on the root logger what is done already."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
