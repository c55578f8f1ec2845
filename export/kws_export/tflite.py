"""Keras to TFLite, float and full int8, on the TensorFlow backend."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError

from .tensor_names import with_short_names

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


def _converted(converter: Any) -> bytes:
    """Raises InputError for an operator that does not convert."""
    with _quiet():
        try:
            return with_short_names(bytes(converter.convert()))
        except Exception as error:  # the converter's own kinds, without a common parent
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"TFLite does not support the model ({reason}); change the model") from error


def float_model(model: keras.Model) -> bytes:
    """The model as float32 TFLite, one window (1, frames, mels) in, heads by name out.

    Raises:
        InputError: an operator that TFLite does not have.
    """
    return _converted(_converter(model))


def int8_model(model: keras.Model, windows: NDArray[np.float32]) -> bytes:
    """The model as full int8 TFLite: int8 in, int8 out, per-channel weights, no float inside.

    Args:
        model: float Keras model.
        windows: normalised mels for calibration, shape (n, frames, mels).

    Raises:
        InputError: an operator that TFLite does not have with integers.
    """
    import tensorflow as tf

    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([window[None]] for window in windows)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return _converted(converter)
