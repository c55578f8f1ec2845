"""A TFLite model as ONNX: the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kws_device import InputError
from kws_device._support.native_stderr import quiet_libraries
from kws_device.model import model_file
from kws_device.model.engine import load_engine, load_verifier
from kws_export import onnx_model, tflite


def windows(file, count):
    front_end = file.manifest.front_end
    shape = (count, front_end.frames, front_end.mels)
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("name", ["kws", "tiny", "accurate"])
def test_an_int8_model_answers_bit_for_bit_as_the_shipped_file_and_is_smaller(name):
    """The shipped .onnx was made by another converter from the shipped .tflite."""
    source = model_file.read(model_file.find(name, ("tflite",)))
    shipped = model_file.read(model_file.find(name, ("onnx",)))
    content = onnx_model.from_tflite(source.model, source.manifest.labels)
    onnx_model.check(content)
    assert len(content) < len(shipped.model)
    assert content == onnx_model.from_tflite(source.model, source.manifest.labels)
    ours, theirs = load_engine(replace(shipped, model=content)), load_engine(shipped)
    for window in windows(shipped, 5):
        scores = theirs.scores(window)
        for head, values in ours.scores(window).items():
            assert np.array_equal(values, scores[head])


def test_a_verifier_answers_as_its_tflite_model():
    """Its last convolution has two filters for each channel, and no padding."""
    file = model_file.read(model_file.find("kws"))
    config = file.manifest.verifier
    content = onnx_model.from_tflite(file.verifier, {"verifier": config.labels})
    other = replace(file, model=content, verifier=content)
    shape = (10, file.manifest.front_end.frames_in(config.clip_ms), file.manifest.front_end.mels)
    tflite_engine, onnx_engine = load_verifier(file), load_verifier(other)
    for window in np.random.default_rng(0).standard_normal(shape).astype(np.float32):
        difference = tflite_engine.scores(window)["verifier"] - onnx_engine.scores(window)["verifier"]
        assert np.abs(difference).max() < 0.05


def test_layers_that_the_kits_networks_do_not_have_are_the_same_too():
    """Strides, dilation, padding of an even kernel, pools, branches and activations, in floating point."""
    import keras
    from ai_edge_litert.interpreter import Interpreter
    from onnxruntime import InferenceSession

    keras.utils.set_random_seed(0)
    layers = keras.layers
    given = keras.Input((21, 10), name="mels")
    image = layers.Reshape((21, 10, 1))(given)
    wide = layers.Conv2D(4, (4, 3), strides=(2, 1), padding="same", activation="relu6")(image)
    dilated = layers.Conv2D(4, 3, dilation_rate=2, padding="same")(wide)
    deep = layers.DepthwiseConv2D((3, 2), depth_multiplier=2, padding="same")(dilated)
    pooled = layers.MaxPooling2D((3, 2), strides=(2, 2), padding="same")(deep)
    meaned = layers.AveragePooling2D((3, 2), strides=(2, 2), padding="same")(deep)
    both = layers.Concatenate()([pooled, layers.Activation("sigmoid")(meaned)])
    turned = layers.Permute((3, 1, 2))(layers.Multiply()([both, layers.Activation("tanh")(both)]))
    summed = layers.GlobalAveragePooling2D(data_format="channels_first")(turned)
    model = keras.Model(given, {"head": layers.Dense(3)(summed)})
    with quiet_libraries():
        content = tflite.float_model(model)
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    session = InferenceSession(onnx_model.from_tflite(content, {}), providers=["CPUExecutionProvider"])
    for window in np.random.default_rng(0).standard_normal((5, 1, 21, 10)).astype(np.float32):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], window)
        interpreter.invoke()
        expected = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        (found,) = session.run(["head"], {"mels": window})
        assert np.abs(found - expected).max() < 1e-5


def test_an_operator_that_is_not_known_is_named():
    import keras

    given = keras.Input((21, 10), name="mels")
    model = keras.Model(given, {"head": keras.layers.Flatten()(keras.layers.Activation("elu")(given))})
    with quiet_libraries():
        content = tflite.float_model(model)
    with pytest.raises(InputError, match="does not know the operator ELU"):
        onnx_model.from_tflite(content, {})
