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
from kws_export import tflite


@pytest.fixture(scope="module")
def exported(trained, command, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported")
    result = command("kws-export", trained.run, "--out", out, "--max-loss", 5)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    return out


def test_the_folder_holds_the_files_and_nothing_half_written(exported):
    assert {path.name for path in exported.iterdir()} == {"kws.tflite", "kws-float.tflite", "export.json"}


def test_the_int8_model_has_integers_in_and_out_and_inside(exported):
    model = model_file.read(exported / "kws.tflite").model
    assert tflite.float_tensors(model) == []
    assert tflite.float_tensors(model_file.read(exported / "kws-float.tflite").model) != []
    assert "QUANTIZE" not in tflite.operators(model)
    assert "CONV_2D" in tflite.operators(model)


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
    near = report["files"]["kws.tflite"]["against_keras"]["keyword"]
    assert near["same_label"] > 0.9


def test_the_manifest_carries_the_figures(exported):
    manifest = model_file.read(exported / "kws.tflite").manifest
    report = json.loads((exported / "export.json").read_text())
    assert manifest.metrics["validation"]["int8"] == report["files"]["kws.tflite"]["accuracy"]
    assert manifest.metrics["validation"]["float"] == report["keras_accuracy"]
    assert manifest.metrics["int8_max_loss_points"] == 5.0
    assert "tensorflow" in manifest.versions


def test_an_export_repeats_byte_for_byte(exported, trained, command, tmp_path):
    assert command("kws-export", trained.run, "--out", tmp_path, "--max-loss", 5).returncode == 0
    for name in ("kws.tflite", "kws-float.tflite", "export.json"):
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
    one_line_refusal(command("kws-export", "show", tmp_path / "file"), "not a TFLite model")
    unfinished = tmp_path / "unfinished"
    shutil.copytree(trained.run, unfinished, ignore=shutil.ignore_patterns("model.keras"))
    one_line_refusal(command("kws-export", unfinished, "--out", tmp_path / "out"), "model.keras")
