"""A verifier joins the first network in one file, and says there what the trained one says."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers import one_line_refusal

from kws_device import AudioFile, Spotter, model_file
from kws_device.engine import load_verifier
from kws_export import graph, onnx_model
from kws_training.verifier import settings as verifier_settings
from kws_training.verifier.settings import Settings

SHIPPED = model_file.read(model_file.find(None))
KEYWORDS = SHIPPED.manifest.keywords
LABELS = (*KEYWORDS, "_refused_")
FILES = ("kws.tflite", "kws.onnx", "kws-float.onnx")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The run of a small verifier, trained to tell loud windows from quiet ones."""
    import keras
    from keras import layers

    folder = tmp_path_factory.mktemp("verifier")
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    inputs = keras.Input((238, 40), name="mels")
    x = layers.Reshape((238, 40, 1))(inputs)
    x = layers.Conv2D(4, 3, 4, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, {"verifier": layers.Dense(len(LABELS), "softmax", name="verifier")(x)})
    right = rng.integers(len(LABELS), size=400)
    windows = rng.normal(0, 1, (400, 238, 40)) + 0.3 * (right[:, None, None] - 4)
    model.compile("adam", {"verifier": "sparse_categorical_crossentropy"})
    model.fit(windows, {"verifier": right}, epochs=10, verbose=0)
    model.save(folder / verifier_settings.MODEL)
    np.savez_compressed(folder / verifier_settings.WINDOWS, windows=windows.astype(np.float16))
    settings = Settings(
        first=SHIPPED.manifest.hash,
        clip_ms=2400.0,
        delay_ms=300.0,
        looks=1,
        labels=LABELS,
        candidate_smoothing_s=0.2,
        candidate_thresholds=dict.fromkeys(KEYWORDS, 0.4),
        first_weight=0.5,
        scale=1.0,
        offset=0.0,
        thresholds=dict.fromkeys(KEYWORDS, 0.0),
        false_accepts_per_hour=None,
        sources=(),
        recipe={"name": "small", "seed": 1},
        metrics={},
    )
    verifier_settings.write(settings, folder)
    return folder


def models():
    return [part for name in FILES for part in ("--model", SHIPPED.path.with_name(name))]


@pytest.fixture(scope="module")
def joined(run, command, tmp_path_factory):
    out = tmp_path_factory.mktemp("joined")
    result = command("kws-export", "verifier", run, *models(), "--out", out)
    assert result.returncode == 0, result.stderr
    return out


def test_every_format_gets_the_verifier_in_its_own(joined):
    assert {path.name for path in joined.iterdir()} == {*FILES, "verifier.json"}
    report = json.loads((joined / "verifier.json").read_text())
    for name in FILES:
        file = model_file.read(joined / name)
        before = model_file.read(SHIPPED.path.with_name(name))
        assert file.model == before.model
        assert file.manifest.hash == report["files"][name]["hash"] != before.manifest.hash
        assert file.manifest.schema == 4
        assert file.manifest.head("keyword").smoothing_s == 0.2
        assert file.manifest.recipe["verifier"]["name"] == "small"
    assert graph.float_tensors(model_file.read(joined / "kws.tflite").verifier) == []
    for name, eight_bit in (("kws.onnx", True), ("kws-float.onnx", False)):
        assert (
            "QuantizeLinear" in onnx_model.operators(model_file.read(joined / name).verifier)
        ) == eight_bit


def test_all_formats_say_what_the_trained_verifier_says(run, joined):
    import keras

    with np.load(run / verifier_settings.WINDOWS) as content:
        windows = content["windows"][-20:].astype(np.float32)
    trained = keras.models.load_model(run / verifier_settings.MODEL).predict(windows, verbose=0)["verifier"]
    for name, most in zip(FILES, (0.1, 0.1, 1e-4), strict=True):
        engine = load_verifier(model_file.read(joined / name))
        ours = np.stack([engine.scores(window)["verifier"] for window in windows])
        assert np.abs(ours - trained).max() < most


@pytest.mark.parametrize("name", ["kws.tflite", "kws.onnx"])
def test_the_device_reports_what_the_verifier_confirms(joined, demo, name):
    listener = Spotter.load(joined / name)
    heard = [d for d in listener.decisions(AudioFile(demo / "demo.flac")) if d.event]
    assert heard
    for decision in heard:
        assert decision.event.verified
        assert decision.event.score == round(decision.verified[decision.event.keyword], 4)
    # Nothing is over a threshold of 1.
    silent = Spotter.load(joined / name, thresholds=dict.fromkeys(KEYWORDS, 1.0))
    assert not list(silent.listen(AudioFile(demo / "demo.flac")))


def test_the_verifiers_answers_are_compared_on_an_emulated_pi_too(joined, tmp_path):
    pytest.importorskip("kws_benchmarks")
    from kws_benchmarks.pi.measure import score_differences
    from kws_benchmarks.pi.sides import Here

    both = score_differences(Here(), Here(), joined / "kws.tflite", tmp_path)
    alone = score_differences(Here(), Here(), SHIPPED.path, tmp_path)
    assert both.compared > alone.compared
    assert (both.different, both.of_windows, both.of_sound) == (0, 0, 0)
    assert both.streaming_equals_batch


def test_the_info_tells_of_the_verifier(joined, command):
    shown = command("kws-listen", "--info", "--json", "--model", joined / "kws.tflite")
    assert json.loads(shown.stdout)["verifier"]["labels"] == list(LABELS)
    told = command("kws-listen", "--info", "--model", joined / "kws.tflite").stdout
    assert "verifier    sees 2.4 s, 300 ms after a candidate" in told


def test_what_does_not_fit_is_refused_and_nothing_is_written(run, joined, command, tmp_path):
    def refused(words, folder, *models):
        result = command("kws-export", "verifier", folder, *models, "--out", tmp_path / "out")
        assert not (tmp_path / "out").exists()
        one_line_refusal(result, words)

    refused("no run of a verifier", tmp_path, *models())
    refused("has a verifier already", run, "--model", joined / "kws.tflite")
    other = shutil.copytree(run, tmp_path / "other")
    settings = verifier_settings.read(run)
    verifier_settings.write(replace(settings, labels=("yes", "_refused_")), other)
    refused("does not fit", other, *models())
    verifier_settings.write(replace(settings, clip_ms=1500.0), other)
    refused("windows of shape", other, *models())
    verifier_settings.write(settings, other)
    (other / verifier_settings.WINDOWS).write_bytes(b"no zip")
    refused("cannot be read", other, *models())
