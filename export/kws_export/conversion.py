"""Converts one trained network into four models: int8 and float, TFLite and ONNX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import onnx_model, tflite, tflite_graph
from .files import FLOAT, FLOAT_ONNX, INT8, INT8_ONNX
from .logits import without_softmax

if TYPE_CHECKING:
    import keras


def converted(
    model: keras.Model, windows: NDArray[np.float32], labels: onnx_model.Labels
) -> dict[str, bytes]:
    """The four models by the name of the file that holds them; they give logits.

    Args:
        model: a Keras model with one input, (n, frames, mels), and softmax outputs by name.
        windows: normalised mels for the calibration of int8, shape (n, frames, mels).
        labels: by output.

    Raises:
        InputError: an operator that a format does not have, or a model that breaks a rule of ONNX.
    """
    bare = without_softmax(model)
    contents = {FLOAT: tflite.float_model(bare), INT8: tflite.int8_model(bare, windows)}
    tflite_graph.check_int8(contents[INT8])
    contents[FLOAT_ONNX] = onnx_model.from_tflite(contents[FLOAT], labels)
    contents[INT8_ONNX] = onnx_model.from_tflite(contents[INT8], labels)
    for name in (FLOAT_ONNX, INT8_ONNX):
        onnx_model.check(contents[name])
    return contents
