"""kws-export: the files say what was trained, or they are not written."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import soundfile
import synthetic_datasets
from helpers import one_line_refusal

from kws_device.model import model_file
from kws_device.model.engine import load_engine
from kws_export import tflite_graph

OPTIONS = ("--test", "--report", "--limit", "int8_agreement=0.85")
FILES = ("kws.tflite", "kws-float.tflite", "kws.onnx", "kws-float.onnx")


@pytest.fixture(scope="module")
def exported(trained, command, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported")
    result = command("kws-export", trained.run, "--out", out, *OPTIONS)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    return out


def test_the_folder_holds_the_files_and_nothing_half_written(exported):
    figures = {"export.json", "export.md", "layers.json", "layers.html", "layers.png"}
    assert {path.name for path in exported.iterdir()} == {*FILES, *figures}


def test_the_int8_model_has_integers_in_and_out_and_inside(exported):
    model = model_file.read(exported / "kws.tflite").model
    assert tflite_graph.float_tensors(model) == []
    assert tflite_graph.float_tensors(model_file.read(exported / "kws-float.tflite").model) != []
    assert "QUANTIZE" not in tflite_graph.kinds(model)
    assert "CONV_2D" in tflite_graph.kinds(model)


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


def test_each_file_teaches_what_the_run_would(trained, exported):
    from kws_training.schemes.kit.distillation import Teacher

    mels = np.random.default_rng(0).uniform(-80, -20, (50, 98, 40)).astype(np.float32)
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    run = Teacher(trained.run, shares).scores(mels)
    for name in FILES:
        file = Teacher(exported / name, shares).scores(mels)
        for head, scores in run.items():
            assert np.abs(scores - file[head]).mean() < (1e-5 if "float" in name else 0.05)


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
    assert report["limits"]["windows"] == 100
    assert report["limits_by_hand"] == {"int8_agreement": 0.85}
    assert report["calibration_windows"] > 500
    assert report["onnx_opset"] == 17
    for name, file in report["files"].items():
        assert file["bytes"] == (exported / name).stat().st_size
        assert file["hash"] == model_file.read(exported / name).manifest.hash
        assert file["operators"]
    assert list(report["parity"]) == ["validation", "test"]
    for found in report["parity"].values():
        # Ten decisions for each second of sound.
        assert found["sound_windows"] == 10 * found["windows"] >= 100
        for way in ("numbers", "sound"):
            for name in FILES:
                same = found["files"][name][way]["against_keras"]["keyword"]
                assert same["windows"] == (found["windows"] if way == "numbers" else found["sound_windows"])
                if "float" in name:
                    assert same["same_decision"] == 1
                    assert same["largest_difference"] < 1e-4
                else:
                    assert same["same_decision"] > 0.85
                    assert 0 < same["mean_difference"] < same["largest_difference"]
            assert found["int8_formats_agree"][way]["keyword"]["same_decision"] > 0.95
        # The same windows are right from the sound on as from their mels.
        numbers, sound = (found["keras"][way]["accuracy"]["all"] for way in ("numbers", "sound"))
        assert numbers == sound
        assert found["keras"]["numbers"]["accuracy"]["clean"]["scene"]["n"] < numbers["scene"]["n"]


def test_the_figures_are_ready_for_a_model_card(exported):
    text = (exported / "export.md").read_text()
    report = json.loads((exported / "export.json").read_text())
    assert "Allowed by hand: int8_agreement = 0.85." in text
    for file in report["files"].values():
        assert file["hash"][:12] in text
    right = report["parity"]["test"]["files"]["kws.tflite"]["numbers"]["accuracy"]["all"]["keyword"]
    assert f"| keyword | `kws.tflite` | {right['accuracy']:.2%} |" in text


def test_the_manifest_carries_the_figures_and_the_limits(exported):
    manifest = model_file.read(exported / "kws.tflite").manifest
    report = json.loads((exported / "export.json").read_text())
    found = report["parity"]["validation"]["files"]
    assert manifest.metrics["validation"]["int8"] == found["kws.tflite"]["numbers"]["accuracy"]
    assert manifest.metrics["validation"]["float"] == found["kws-float.tflite"]["numbers"]["accuracy"]
    assert manifest.metrics["limits"] == report["limits"]
    assert manifest.metrics["limits_by_hand"] == {"int8_agreement": 0.85}
    assert "tensorflow" in manifest.versions


def test_an_export_repeats_byte_for_byte(exported, trained, command, tmp_path):
    # Sets of strings have another order in each process; here it is another one for sure.
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    assert command("kws-export", trained.run, "--out", tmp_path, *OPTIONS, env=env).returncode == 0
    for name in (*FILES, "export.json", "export.md", "layers.json"):
        assert (tmp_path / name).read_bytes() == (exported / name).read_bytes(), name


def test_the_exported_file_hears_the_words_it_was_trained_on(exported, command, tmp_path):
    rng = np.random.default_rng(5)
    quiet = 1e-3 * rng.standard_normal(2 * synthetic_datasets.RATE)
    spoken = [quiet]
    for name in ("yes", "bed", "no"):
        spoken += [synthetic_datasets.word(name, rng), quiet]
    soundfile.write(tmp_path / "words.wav", np.concatenate(spoken), synthetic_datasets.RATE)
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
    text = command("kws-export", "show", exported / "kws.tflite").stdout
    assert "keyword     yes, no, _unknown_, _silence_\n" in text
    assert "measured    validation int8 clean keyword: accuracy " in text
    assert "measured    limits_by_hand: int8_agreement 0.85\n" in text
    assert "tensorflow 2" in text
    shown = json.loads(command("kws-export", "show", exported / "kws.tflite", "--json").stdout)
    assert shown["hash"] == model_file.read(exported / "kws.tflite").manifest.hash
