"""A run made ready for int8: folded, fine-tuned with int8's rounding simulated, resumed, exported."""

from __future__ import annotations

import csv
import json
import shutil
from functools import partial

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from helpers import one_line_refusal

from kws_device._support.native_stderr import quiet_libraries
from kws_device.model.tensors import Quantiser
from kws_export import tflite, tflite_graph
from kws_export.logits import without_softmax
from kws_training.cli import schemes
from kws_training.loop import runs
from kws_training.loop.bn_folding import folded
from kws_training.loop.fit import Plan, fit
from kws_training.schemes.kit.model import compiled, new_network
from kws_training.schemes.kit.qat import RoundedKernel, RoundedOutput, with_rounding, without_rounding
from kws_training.schemes.kit.recipe import with_epochs

AWARE = ("--set", "quantisation.qat=true", "--set", "optimisation.learning_rate=1e-3")


@pytest.fixture(scope="module")
def plain(trained):
    """The small run's network without batch normalisation."""
    return folded(runs.load_keras(trained.run / "model.keras"))


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(0).standard_normal((64, 98, 40)).astype(np.float32)


@pytest.fixture(scope="module")
def aware(trained, command, tmp_path_factory):
    """The small run, fine-tuned for an epoch."""
    run = tmp_path_factory.mktemp("aware") / "run"
    result = command(*trained.arguments, "--epochs", 1, *AWARE, "--from", trained.run, "--out", run)
    assert result.returncode == 0, result.stderr
    return run


def history(run):
    with (run / runs.HISTORY).open() as file:
        return list(csv.DictReader(file))


def kinds(model):
    return {type(layer).__name__ for layer in model.layers}


def test_folding_changes_nothing_that_can_be_heard(trained, plain, windows):
    whole = runs.load_keras(trained.run / "model.keras")
    assert "BatchNormalization" in kinds(whole)
    assert "BatchNormalization" not in kinds(plain)
    for head, scores in whole(windows).items():
        assert np.abs(np.asarray(plain(windows)[head]) - np.asarray(scores)).max() < 1e-5


def test_rounding_leaves_the_weights_and_nearly_all_decisions(plain, windows):
    rounded = with_rounding(plain)
    before = plain.get_weights()
    rounded(windows, training=True)  # shows it the ranges
    for head, scores in plain(windows).items():
        found = np.asarray(rounded(windows)[head])
        assert 0 < np.abs(found - np.asarray(scores)).mean() < 0.02
        assert np.mean(found.argmax(axis=1) == np.asarray(scores).argmax(axis=1)) > 0.9
    for ours, theirs in zip(without_rounding(rounded, plain).get_weights(), before, strict=True):
        assert np.array_equal(ours, theirs)


def test_a_range_grows_at_once_and_shrinks_slowly():
    layer = RoundedOutput()
    layer(np.float32([-1.0, 2.0]), training=True)
    layer(np.float32([0.5, 3.0]), training=True)
    assert [float(end) for end in layer.weights] == pytest.approx([-0.9, 3.0])
    held = np.asarray(layer(np.linspace(-2, 4, 10_000).astype(np.float32)))
    assert len(np.unique(held)) == 256
    assert 0.0 in held
    assert np.allclose(np.diff(np.unique(held)), 3.9 / 255, atol=1e-5)


def test_each_step_rounds_as_tensorflow_lite_does(plain, windows):
    """Every step is given what TensorFlow Lite's was given, and the range of its output."""
    with quiet_libraries():
        content = tflite.int8_model(without_softmax(plain), windows)
        interpreter = Interpreter(
            model_content=content,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    (given,) = interpreter.get_input_details()
    interpreter.set_tensor(given["index"], Quantiser(given).quantise(windows[0])[None])
    interpreter.invoke()

    def real(index):
        return Quantiser(details[index]).dequantise(interpreter.get_tensor(index))

    # In the order in which the network is built, which TensorFlow Lite keeps.
    convolutions = ("conv2d", "conv2d_1", "conv2d_2", "conv2d_3", "conv1d", "depthwise_conv1d", "conv1d_1")
    names = iter((*convolutions, "depthwise_conv1d_1", "conv1d_2"))
    subgraph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    compared = []
    for i, operator in enumerate(tflite_graph.operators(content)):
        inputs = subgraph.Operators(i).InputsAsNumpy()
        if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            layer = plain.get_layer(next(names))
            exact = RoundedKernel(layer)(real(inputs[0]).reshape(1, *layer.input.shape[1:]))
        elif operator.kind == "ADD":
            exact = real(inputs[0]) + real(inputs[1])
        elif operator.kind == "MEAN":
            exact = real(inputs[0]).mean(axis=-2)
        else:
            continue
        scale, zero = details[operator.output]["quantization"]
        output = RoundedOutput()
        output.build(())
        output.set_weights([np.float32((-128 - zero) * scale), np.float32((127 - zero) * scale)])
        steps = (np.asarray(output(exact)).ravel() - real(operator.output).ravel()) / scale
        assert np.abs(steps).max() < 1.01, operator
        # A number upon the border of two steps falls to either side; a small tensor may hold two of them.
        assert (np.abs(steps) > 0.5).sum() <= max(2, 0.02 * steps.size), operator
        compared.append(operator.kind)
    assert (compared.count("ADD"), compared.count("MEAN"), next(names, None)) == (2, 1, None)


def test_an_aware_run_keeps_a_plain_network(aware, trained):
    model = runs.load_keras(aware / "model.keras")
    assert not kinds(model) & {"BatchNormalization", "RoundedKernel", "RoundedOutput"}
    assert "quantisation" in (aware / "recipe.toml").read_text()
    clean = json.loads((aware / "metrics.json").read_text())["validation"][0]
    assert clean["keyword"]["accuracy"] > 0.8
    # It went on from where the run had come to.
    assert float(history(aware)[0]["loss"]) < float(history(trained.run)[0]["loss"]) / 1.5


class Noise(keras.utils.PyDataset):
    """An epoch of windows that anybody can tell apart."""

    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rng = np.random.default_rng([self._epoch, index])
        label = rng.integers(2, size=16)
        mels = rng.standard_normal((16, 98, 40)) + label[:, None, None]
        targets = {"keyword": np.eye(4)[label], "scene": np.eye(2)[label]}
        weights = {head: np.ones(16, dtype=np.float32) for head in targets}
        return mels.astype(np.float32), targets, weights


def test_fine_tuning_that_was_interrupted_and_resumed_equals_the_whole(aware, tmp_path):
    recipe = with_epochs(schemes.load(str(aware / "recipe.toml")), 2)
    whole, parts = tmp_path / "whole", tmp_path / "parts"

    def fitted(out, resume=False):
        keras.utils.set_random_seed(1)
        network = new_network(recipe, {"keyword": 4, "scene": 2})
        model = compiled(network, recipe, len(Noise(0)), np.full(4, 0.25))

        def epoch(number):
            if number == 1 and out == whole:  # as it would be found after an interruption now
                shutil.copytree(whole, parts)
            return Noise(number)

        kept = partial(without_rounding, model=network)
        rows = fit(model, Plan(2, 1, epoch, Noise(9)[0], "keyword", kept), out, resume)
        return rows, model.get_weights(), runs.load_keras(out / runs.MODEL).get_weights()

    uninterrupted, resumed = fitted(whole), fitted(parts, resume=True)
    assert len(resumed[0]) == 2
    assert resumed[0] == uninterrupted[0]
    for kind in (1, 2):
        for ours, theirs in zip(resumed[kind], uninterrupted[kind], strict=True):
            assert np.array_equal(ours, theirs)


def test_an_aware_run_is_exported_and_int8_decides_as_it_does(aware, command, tmp_path):
    out = tmp_path / "exported"
    result = command("kws-export", aware, "--out", out, "--report")
    assert result.returncode == 0, result.stderr
    report = json.loads((out / "export.json").read_text())
    assert len(report["files"]) == 4
    for head in ("keyword", "scene"):
        same = report["parity"]["validation"]["files"]["kws.tflite"]["numbers"]["against_keras"][head]
        assert same["same_decision"] > 0.95


def test_what_cannot_be_fine_tuned_is_refused(aware, trained, command, tmp_path):
    out = ("--out", tmp_path / "run")
    one_line_refusal(command(*trained.arguments, *AWARE, *out), "--from RUN")
    one_line_refusal(command(*trained.arguments, "--from", aware, *out), "no batch normalisation left")
    other = ("--from", trained.run, "--set", "model.channels=16")
    one_line_refusal(command(*trained.arguments, *AWARE, *other, *out), "another network")
    assert not (tmp_path / "run").exists()
