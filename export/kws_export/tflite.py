"""Keras to TFLite, float and full int8, on the TensorFlow backend."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras


def _converter(model: keras.Model) -> Any:
    import keras
    import tensorflow as tf

    # A fixed batch of one leaves no shape arithmetic in the graph, which would run outside XNNPACK.
    frames, mels = model.input_shape[1:]
    single = keras.models.clone_model(
        model, input_tensors=keras.Input(batch_shape=(1, frames, mels), name=model.inputs[0].name)
    )
    single.set_weights(model.get_weights())
    return tf.lite.TFLiteConverter.from_keras_model(single)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The converter tells standard output about its temporary files."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def float_model(model: keras.Model) -> bytes:
    """The model as float32 TFLite, one window (1, frames, mels) in, heads by name out."""
    with _quiet():
        return bytes(_converter(model).convert())


def int8_model(model: keras.Model, windows: NDArray[np.float32]) -> bytes:
    """The model as full int8 TFLite: int8 in, int8 out, per-channel weights, no float inside.

    Args:
        model: float Keras model.
        windows: normalised mels for calibration, shape (n, frames, mels).
    """
    import tensorflow as tf

    with _quiet():
        converter = _converter(model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([window[None]] for window in windows)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def operators(content: bytes) -> list[str]:
    """The operators of a TFLite model, sorted, each once."""
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    model = schema.Model.GetRootAs(content, 0)
    codes = (model.OperatorCodes(i) for i in range(model.OperatorCodesLength()))
    return sorted({names[code.BuiltinCode()] for code in codes})


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
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    signature = model.SignatureDefs(0)
    outputs = (signature.Outputs(i) for i in range(signature.OutputsLength()))
    tensors = model.Subgraphs(signature.SubgraphIndex())
    return {
        output.Name().decode(): tensors.Tensors(output.TensorIndex()).Name().decode() for output in outputs
    }
