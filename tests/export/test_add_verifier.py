"""A verifier joins the first network in one file, and says there what the trained one says."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers import one_line_refusal
from small_verifier import FILES, LABELS, first_network

from kws_device import AudioFile, Spotter
from kws_device.model import model_file
from kws_device.model.engine import load_verifier
from kws_export import onnx_model, tflite_graph
from kws_export.verifier import add_verifier
from kws_training.schemes.verifier import settings as verifier_settings
from kws_training.schemes.verifier.network import verifier_network
from kws_training.schemes.verifier.recipe import FORMAT
from kws_training.schemes.verifier.start import take_start

SHIPPED = model_file.read(model_file.find(None))
KEYWORDS = SHIPPED.manifest.keywords


def test_every_format_gets_the_verifier_in_its_own(verified):
    assert {path.name for path in verified.iterdir()} == {*FILES, "verifier.json"}
    report = json.loads((verified / "verifier.json").read_text())
    for name in FILES:
        file = model_file.read(verified / name)
        before = model_file.read(SHIPPED.path.with_name(name))
        assert file.model == before.model
        assert file.manifest.hash == report["files"][name]["hash"] != before.manifest.hash
        assert file.manifest.schema == 4
        assert file.manifest.head("keyword").smoothing_s == 0.2
        assert file.manifest.recipe["verifier"]["name"] == "small"
    assert tflite_graph.float_tensors(model_file.read(verified / "kws.tflite").verifier) == []
    for name, eight_bit in (("kws.onnx", True), ("kws-float.onnx", False)):
        assert (
            "QuantizeLinear" in onnx_model.operators(model_file.read(verified / name).verifier)
        ) == eight_bit


def test_all_formats_say_what_the_trained_verifier_says(verifier_run, verified):
    import keras

    with np.load(verifier_run / verifier_settings.WINDOWS) as content:
        windows = content["windows"][-20:].astype(np.float32)
    trained = keras.models.load_model(verifier_run / verifier_settings.MODEL).predict(windows, verbose=0)[
        "verifier"
    ]
    for name, most in zip(FILES, (0.1, 0.1, 1e-4), strict=True):
        engine = load_verifier(model_file.read(verified / name))
        ours = np.stack([engine.scores(window)["verifier"] for window in windows])
        assert np.abs(ours - trained).max() < most


def test_a_new_verifier_starts_from_a_run_or_from_a_float_file_alike(verifier_run, tmp_path, monkeypatch):
    recipe = FORMAT.load("verifier", {"model.stem": 4, "model.channels": 8, "model.blocks": 1})

    def network(labels: tuple[str, ...]):
        return verifier_network(recipe.stretch, recipe.model, len(labels))

    other = network(LABELS)
    rng = np.random.default_rng(0)  # biases of zero, as in a new network, are left out of an ONNX
    other.set_weights([w + 0.01 * rng.standard_normal(w.shape) * (w.ndim == 1) for w in other.get_weights()])
    run = tmp_path / "run"
    shutil.copytree(verifier_run, run)
    other.save(run / verifier_settings.MODEL)
    shipped = model_file.read(SHIPPED.path.with_name("kws-float.onnx"))
    model_file.write(tmp_path / "float.onnx", shipped.model, shipped.manifest.without_verifier())
    # An untrained network need not survive 8 bits, and its float file alone is read here.
    monkeypatch.setattr("kws_export.verifier._check", lambda parity: None)
    add_verifier(run, [tmp_path / "float.onnx"], tmp_path / "out")
    own = ("computer", "_refused_")
    for start in (run, tmp_path / "out" / "float.onnx"):
        same = network(LABELS)
        take_start(same, start, LABELS)
        for ours, theirs in zip(same.get_weights(), other.get_weights(), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6)
        fresh = network(own)
        take_start(fresh, start, own)
        for ours, theirs in zip(fresh.get_weights()[:-2], other.get_weights()[:-2], strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("name", ["kws.tflite", "kws.onnx"])
def test_the_device_reports_what_the_verifier_confirms(verified, demo, name):
    listener = Spotter.load(verified / name)
    heard = [d for d in listener.decisions(AudioFile(demo / "demo.flac")) if d.event]
    assert heard
    for decision in heard:
        assert decision.event.verified
        assert decision.event.score == round(decision.verified[decision.event.keyword], 4)
    # Nothing is over a threshold of 1.
    silent = Spotter.load(verified / name, thresholds=dict.fromkeys(KEYWORDS, 1.0))
    assert not list(silent.listen(AudioFile(demo / "demo.flac")))


def test_the_verifiers_answers_are_compared_on_an_emulated_pi_too(verified, tmp_path):
    pytest.importorskip("kws_benchmarks")
    from kws_benchmarks.pi.emulation import score_differences
    from kws_benchmarks.pi.hosts import Here

    both = score_differences(Here(), Here(), verified / "kws.tflite", tmp_path)
    alone = score_differences(Here(), Here(), SHIPPED.path, tmp_path)
    assert both.compared > alone.compared
    assert (both.different, both.of_windows, both.of_sound) == (0, 0, 0)
    assert both.streaming_equals_batch


def test_the_info_tells_of_the_verifier(verified, command):
    shown = command("kws-listen", "--info", "--json", "--model", verified / "kws.tflite")
    assert json.loads(shown.stdout)["verifier"]["labels"] == list(LABELS)
    told = command("kws-listen", "--info", "--model", verified / "kws.tflite").stdout
    assert "verifier    sees 2.4 s, 300 ms after a candidate" in told


def test_a_new_verifier_takes_the_place_of_an_old_one(verified):
    for name in FILES:
        old = model_file.read(SHIPPED.path.with_name(name))
        new = model_file.read(verified / name)
        assert new.model == old.model
        assert new.manifest.verifier.labels == old.manifest.verifier.labels
        assert new.verifier != old.verifier
        assert new.manifest.verifier.delay_ms != old.manifest.verifier.delay_ms


def test_what_does_not_fit_is_refused_and_nothing_is_written(verifier_run, verified, command, tmp_path):
    def refused(words, folder, *models):
        result = command("kws-export", "verifier", folder, *models, "--out", tmp_path / "out")
        assert not (tmp_path / "out").exists()
        one_line_refusal(result, words)

    refused("no run of a verifier", tmp_path, *first_network())
    other = shutil.copytree(verifier_run, tmp_path / "other")
    settings = verifier_settings.read(verifier_run)
    verifier_settings.write(
        replace(settings, verifier=replace(settings.verifier, labels=("yes", "_refused_"))), other
    )
    refused("does not fit", other, *first_network())
    verifier_settings.write(replace(settings, verifier=replace(settings.verifier, clip_ms=1500.0)), other)
    refused("windows of shape", other, *first_network())
    verifier_settings.write(settings, other)
    (other / verifier_settings.WINDOWS).write_bytes(b"no zip")
    refused("cannot be read", other, *first_network())
