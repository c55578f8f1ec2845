"""kws-export: the files say what was trained, or they are not written."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import soundfile
import trees
from helpers import one_line_refusal

from kws_device import model_file
from kws_device.engine import load_engine
from kws_export import tflite

FILES = ("kws.tflite", "kws-float.tflite", "kws.onnx", "kws-float.onnx")


@pytest.fixture(scope="module")
def exported(trained, command, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported")
    result = command("kws-export", trained.run, "--out", out, "--max-loss", 5)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    return out


def test_the_folder_holds_the_files_and_nothing_half_written(exported):
    assert {path.name for path in exported.iterdir()} == {*FILES, "export.json"}


def test_the_int8_model_has_integers_in_and_out_and_inside(exported):
    model = model_file.read(exported / "kws.tflite").model
    assert tflite.float_tensors(model) == []
    assert tflite.float_tensors(model_file.read(exported / "kws-float.tflite").model) != []
    assert "QUANTIZE" not in tflite.operators(model)
    assert "CONV_2D" in tflite.operators(model)


def test_the_onnx_models_are_valid_and_tell_their_labels(exported):
    onnx = pytest.importorskip("onnx")
    for name in ("kws.onnx", "kws-float.onnx"):
        model = onnx.load(exported / name)
        onnx.checker.check_model(model, full_check=True)
        assert [opset.version for opset in model.opset_import if opset.domain == ""] == [17]
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(metadata["labels_keyword"]) == ["yes", "no", "_unknown_", "_silence_"]
        assert json.loads(metadata["kws-manifest"])["hash"] == model_file.read(exported / name).manifest.hash
    assert "QuantizeLinear" in {node.op_type for node in onnx.load(exported / "kws.onnx").graph.node}
    # Normalisations have become part of the convolutions.
    operators = {node.op_type for node in onnx.load(exported / "kws-float.onnx").graph.node}
    assert not operators & {"Mul", "BatchNormalization", "Shape"}


def test_each_file_says_the_same_on_the_device(exported):
    windows = np.random.default_rng(0).standard_normal((50, 98, 40)).astype(np.float32)
    answers = {}
    for name in FILES:
        engine = load_engine(model_file.read(exported / name))
        scores = [engine.scores(window) for window in windows]
        answers[name] = np.stack([np.concatenate([s["keyword"], s["scene"]]) for s in scores])
        assert answers[name].shape == (50, 6)
    exact = answers["kws-float.tflite"]
    assert np.abs(answers["kws-float.onnx"] - exact).max() < 1e-5
    for name in ("kws.tflite", "kws.onnx"):
        assert np.abs(answers[name] - exact).mean() < 0.03


def test_the_engine_can_be_chosen_and_a_wrong_choice_is_named(exported, command, demo):
    sound = ("--file", demo / "demo.flac", "--json")
    for name, engine in (("kws.tflite", "ai-edge-litert"), ("kws.onnx", "onnxruntime")):
        chosen = command("kws-listen", "--model", exported / name, "--engine", engine, *sound)
        assert chosen.returncode == 0, chosen.stderr
        assert "summary" in chosen.stdout
    wrong = command("kws-listen", "--model", exported / "kws.onnx", "--engine", "ai-edge-litert", *sound)
    one_line_refusal(wrong, "--engine ai-edge-litert", "kws.onnx", "onnxruntime")
    one_line_refusal(command("kws-listen", "--engine", "tensorrt", *sound), "tensorrt")


def test_the_report_has_sizes_parity_and_accuracy(exported):
    report = json.loads((exported / "export.json").read_text())
    assert report["max_loss_points"] == 5.0
    assert report["calibration_windows"] > 500
    for name, file in report["files"].items():
        assert file["bytes"] == (exported / name).stat().st_size
        assert file["hash"] == model_file.read(exported / name).manifest.hash
    same = report["files"]["kws-float.tflite"]["against_keras"]["keyword"]
    assert same["same_label"] == 1
    assert same["largest_score_difference"] < 1e-4
    for name in ("kws.tflite", "kws.onnx"):
        assert report["files"][name]["against_keras"]["keyword"]["same_label"] > 0.9
    assert report["int8_formats_agree"]["keyword"]["same_label"] > 0.9


def test_the_manifest_carries_the_figures(exported):
    manifest = model_file.read(exported / "kws.tflite").manifest
    report = json.loads((exported / "export.json").read_text())
    assert manifest.metrics["validation"]["int8"] == report["files"]["kws.tflite"]["accuracy"]
    assert manifest.metrics["validation"]["float"] == report["keras_accuracy"]
    assert manifest.metrics["int8_max_loss_points"] == 5.0
    assert "tensorflow" in manifest.versions


def test_an_export_repeats_byte_for_byte(exported, trained, command, tmp_path):
    assert command("kws-export", trained.run, "--out", tmp_path, "--max-loss", 5).returncode == 0
    for name in (*FILES, "export.json"):
        assert (tmp_path / name).read_bytes() == (exported / name).read_bytes(), name


def test_the_exported_file_hears_the_words_it_was_trained_on(exported, command, tmp_path):
    rng = np.random.default_rng(5)
    quiet = 1e-3 * rng.standard_normal(2 * trees.RATE)
    spoken = [quiet]
    for name in ("yes", "bed", "no"):
        spoken += [trees.word(name, rng), quiet]
    soundfile.write(tmp_path / "words.wav", np.concatenate(spoken), trees.RATE)
    arguments = (
        "--file",
        tmp_path / "words.wav",
        "--json",
        "--threshold",
        "yes=.35",
        "--threshold",
        "no=.35",
    )
    result = command("kws-listen", "--model", exported / "kws.tflite", *arguments)
    heard = [json.loads(line) for line in result.stdout.splitlines()][:-1]
    assert [event["keyword"] for event in heard] == ["yes", "no"]


def test_what_a_file_says_can_be_shown(exported, command):
    assert (
        "keyword     yes, no, _unknown_, _silence_"
        in command("kws-export", "show", exported / "kws.tflite").stdout
    )
    shown = json.loads(command("kws-export", "show", exported / "kws.tflite", "--json").stdout)
    assert shown["hash"] == model_file.read(exported / "kws.tflite").manifest.hash


def test_an_export_that_loses_too_much_writes_nothing(trained, command, tmp_path):
    result = command("kws-export", trained.run, "--out", tmp_path / "out", "--max-loss", "-100")
    assert result.returncode == 1
    assert "more than -100; nothing was written" in result.stderr.splitlines()[-1]
    assert list((tmp_path / "out").iterdir()) == []


def test_bad_input_is_named_in_one_line(trained, command, tmp_path):
    one_line_refusal(command("kws-export", tmp_path, "--out", tmp_path / "out"), tmp_path, "not a run")
    one_line_refusal(command("kws-export", trained.run), "--out")
    (tmp_path / "file").write_text("in the way")
    one_line_refusal(command("kws-export", trained.run, "--out", tmp_path / "file"), "cannot be written")
    one_line_refusal(
        command("kws-export", trained.run, "--out", tmp_path / "out", "--speech", tmp_path / "gone"), "gone"
    )
    one_line_refusal(command("kws-export", "show", tmp_path / "file"), "neither a TFLite nor an ONNX model")
    unfinished = tmp_path / "unfinished"
    shutil.copytree(trained.run, unfinished, ignore=shutil.ignore_patterns("model.keras"))
    one_line_refusal(command("kws-export", unfinished, "--out", tmp_path / "out"), "model.keras")
