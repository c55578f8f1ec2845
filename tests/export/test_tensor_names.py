"""Short names in a TFLite file change its size and nothing else."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from kws_device._support.native_stderr import quiet_libraries
from kws_export import tensor_names, tflite
from kws_export.logits import without_softmax
from kws_training.cli import schemes
from kws_training.schemes.kit.network import residual_network


@pytest.fixture(scope="module")
def files():
    """A network as the converter writes it, and with short names; and a window."""
    keras.utils.clear_session()  # layers are numbered on from those of other tests
    keras.utils.set_random_seed(0)
    recipe = schemes.load("default", {"model.stem": 4, "model.planes": [4], "model.channels": 8})
    model = residual_network(recipe.front_end, recipe.model, {"keyword": 4, "scene": 3})
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):  # as trained, so that it must be fused
            layer.moving_mean.assign(np.linspace(-1, 1, layer.moving_mean.shape[0]))
    windows = np.random.default_rng(0).standard_normal((8, *model.input_shape[1:])).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch, quiet_libraries():
        patch.setattr(tflite, "with_short_names", lambda content: content)
        long = tflite.int8_model(without_softmax(model), windows)
    return long, tensor_names.with_short_names(long)


def traced(content):
    with quiet_libraries():
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
    return interpreter


def test_the_file_is_smaller_and_every_tensor_is_called_after_one_layer(files):
    long, short = files
    assert len(short) < 0.9 * len(long)
    found = [detail["name"] for detail in traced(short).get_tensor_details()]
    assert len(set(found)) == len(found)
    assert max(map(len, found)) < 40
    assert {"conv2d", "keyword", "scene"} <= {name.rstrip("_1") for name in found}


def test_the_same_sound_gives_the_same_integers(files):
    window = np.random.default_rng(1).integers(-128, 128, (1, 98, 40), dtype=np.int8)
    answers = []
    for content in files:
        runner = traced(content).get_signature_runner()
        (name,) = runner.get_input_details()
        answers.append(runner(**{name: window}))
    assert answers[0].keys() == answers[1].keys() == {"keyword", "scene"}
    assert all(np.array_equal(answers[0][head], answers[1][head]) for head in answers[0])


def test_constants_stay_aligned_for_processors_that_need_it(files):
    model = schema.Model.GetRootAs(files[1], 0)
    filled = [model.Buffers(i) for i in range(model.BuffersLength()) if model.Buffers(i).DataLength()]
    assert len(filled) > 10
    assert all(buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0 for buffer in filled)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("net/re_lu/Relu;net/batch_normalization/add;net/conv2d/convolution", "conv2d"),
        ("net/re_lu/Relu", "re_lu"),
        ("serving_default_mels:0", "serving_default_mels:0"),
    ],
)
def test_a_tensor_is_about_the_layer_that_has_the_weights(name, layer):
    assert tensor_names.layer_of(name) == layer
