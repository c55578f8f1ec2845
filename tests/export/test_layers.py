"""The int8 model layer by layer: what it is made of, and which layer is a bad one."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kws_device import InputError
from kws_device._support.native_stderr import quiet_libraries
from kws_export import onnx_model, tflite, tflite_graph
from kws_export.layers import layers
from kws_export.layers_report import write_layers
from kws_export.logits import without_softmax
from kws_training.cli import schemes
from kws_training.schemes.kit.network import multiply_adds, residual_network
from kws_training.schemes.study.network import alexnet

HEADS = {"keyword": 4, "scene": 3}
SMALL = {"model.stem": 4, "model.planes": [4, 8], "model.channels": 16, "model.blocks": 1}


def network(name):
    keras.utils.set_random_seed(0)
    if name == "default":
        recipe = schemes.load("default", SMALL)
        return residual_network(recipe.front_end, recipe.model, HEADS)
    recipe = schemes.load(name, {"model.dense": 16})
    heads = {head: HEADS[head] for head in recipe.model.heads}
    return alexnet(recipe.front_end, recipe.model, heads)


@pytest.fixture(scope="module", params=["default", "base-usd"])
def made(request):
    """A network with two heads and one with one, as float and int8 TFLite, and windows."""
    model = network(request.param)
    windows = np.random.default_rng(0).standard_normal((40, *model.input_shape[1:])).astype(np.float32)
    bare = without_softmax(model)
    with quiet_libraries():
        return model, bare, tflite.float_model(bare), tflite.int8_model(bare, windows), windows


def test_every_multiply_add_is_in_the_table(made):
    model, _, floating, int8, windows = made
    found = layers(floating, int8, windows[:4])
    assert sum(layer.multiply_adds for layer in found) == multiply_adds(model)
    assert [layer.number for layer in found] == list(range(1, len(found) + 1))
    assert {layer.operator for layer in found} == set(tflite_graph.kinds(int8))
    assert {layer.name for layer in found} >= set(model.output)
    kernels = sum(np.prod(layer.kernel, dtype=int) for layer in found if layer.kernel)
    assert kernels < sum(layer.constant_bytes for layer in found) < 2 * kernels + 2000


def test_int8_costs_every_layer_a_little(made):
    _, _, floating, int8, windows = made
    for layer in layers(floating, int8, windows):
        assert layer.output_db > 10
        assert layer.rounding_db > layer.output_db - 1
        assert layer.clipped_share < 0.02
        assert (layer.weights_db is None) == (not layer.kernel)
        assert layer.weights_db is None or layer.weights_db > 35


def test_a_layer_that_was_quantised_badly_stands_out(made):
    _, _, floating, int8, windows = made
    before = layers(floating, int8, windows[:8])
    bad = [layer.number for layer in before if layer.operator == "CONV_2D"][1]
    changed = bytearray(int8)
    kernel = tflite_graph.operators(int8)[bad - 1].kernel
    model = schema.Model.GetRootAs(changed, 0)
    weights = model.Buffers(model.Subgraphs(0).Tensors(kernel).Buffer()).DataAsNumpy().view(np.int8)
    weights //= 16  # as if four bits had been lost
    weights *= 16
    after = layers(floating, bytes(changed), windows[:8])
    worse = [a.number for a, b in zip(after, before, strict=True) if a.weights_db != b.weights_db]
    assert worse == [bad]
    assert after[bad - 1].output_db < before[bad - 1].output_db - 5
    assert [a.output_db for a in after[: bad - 1]] == [b.output_db for b in before[: bad - 1]]


def test_the_page_shows_each_layer_and_needs_nothing_from_elsewhere(made, tmp_path):
    _, _, floating, int8, windows = made
    found = write_layers(floating, int8, windows[:2], "<b>mine</b>", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"layers.json", "layers.html", "layers.png"}
    text = (tmp_path / "layers.html").read_text()
    assert text.count("<tr><td>") == len(found) + 1
    assert "http" not in text
    assert "&lt;b&gt;mine&lt;/b&gt;" in text
    content = json.loads((tmp_path / "layers.json").read_text())
    assert content["windows"] == 2
    assert [row["operator"] for row in content["layers"]] == [layer.operator for layer in found]
    assert (tmp_path / "layers.png").read_bytes()[:4] == b"\x89PNG"


def test_float_tensors_and_one_scale_for_all_channels_are_refused(made, monkeypatch):
    _, bare, floating, int8, windows = made
    tflite_graph.check_int8(int8)
    with pytest.raises(InputError, match="int8 does not support"):
        tflite_graph.check_int8(floating)
    converter = tflite._converter

    def for_all_channels(model):
        made_ = converter(model)
        made_._experimental_disable_per_channel = True
        return made_

    monkeypatch.setattr(tflite, "_converter", for_all_channels)
    with quiet_libraries():
        coarse = tflite.int8_model(bare, windows)
    with pytest.raises(InputError, match="1 scales for"):
        tflite_graph.check_int8(coarse)


def test_a_model_that_breaks_a_rule_of_onnx_or_that_its_runtime_warns_of_is_refused(shipped):
    import onnx

    proto = onnx.load(shipped.with_name("kws-float.onnx"))
    onnx_model.check(proto.SerializeToString())
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(3), "nobody_uses_this"))
    with pytest.raises(InputError, match=r"has a warning about the model: .*nobody_uses_this"):
        onnx_model.check(proto.SerializeToString())
    proto.graph.node[-1].op_type = "Imagined"
    with pytest.raises(InputError, match=r"not a valid ONNX model .*Imagined"):
        onnx_model.check(proto.SerializeToString())
