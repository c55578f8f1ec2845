"""kws-export: what it does not take, in one line, and nothing is left behind."""

from __future__ import annotations

import json
import shutil

import keras
import pytest
import synthetic_datasets
from helpers import one_line_refusal

from kws_device import InputError
from kws_training.data.corpus import FOLDER_KINDS
from kws_training.loop import runs


@pytest.fixture
def run(trained, tmp_path):
    """A run of one's own, to be broken."""
    return shutil.copytree(trained.run, tmp_path / "run")


def refused(command, run, tmp_path, *options, words):
    out = tmp_path / "exports" / "mine"
    one_line_refusal(command("kws-export", run, "--out", out, *options), *words)
    assert not out.parent.exists()


def test_what_is_no_finished_run_is_named(command, run, tmp_path):
    refused(command, tmp_path, tmp_path, words=("not a run",))
    (run / "model.keras").unlink()
    refused(command, run, tmp_path, words=("model.keras", "finish an epoch"))


def test_data_that_is_gone_or_silent_is_named(command, run, tmp_path):
    refused(command, run, tmp_path, "--speech", tmp_path / "gone", words=("gone",))
    silent = {}
    for kind, make in (("speech", synthetic_datasets.speech_commands), ("scenes", synthetic_datasets.esc50)):
        silent[kind] = make(tmp_path / kind)
        for path in silent[kind].rglob("*.wav"):
            synthetic_datasets.silence(path)
    options = ("--speech", silent["speech"], "--scenes", silent["scenes"])
    refused(command, run, tmp_path, *options, words=("is silent",))


def test_a_run_is_exported_wherever_its_folders_are_now(command, run, tmp_path):
    remembered = json.loads((run / "folders.json").read_text())
    gone = tmp_path / "gone"
    (run / "folders.json").write_text(json.dumps(remembered | {"voices": str(gone)}))
    refused(command, run, tmp_path, words=(gone, "the voices were", "--voices DIR"))
    voices = synthetic_datasets.own_words(tmp_path / "voices", takes=4)
    result = command("kws-export", run, "--out", tmp_path / "out", "--voices", voices)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("content", ["", "[1]", '{"speech": 3}', "[" * 100_000, "\xff"])
def test_a_run_that_does_not_say_where_its_data_lies_is_named(run, content):
    (run / "folders.json").write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"folders\.json|no such folder"):
        runs.recall_folders(run)


def test_every_folder_of_training_can_be_named_to_the_export(command):
    said = command("kws-export", "--help").stdout
    assert all(f"--{kind} DIR" in said for kind in FOLDER_KINDS)


def test_a_folder_that_cannot_be_written_is_named(command, run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        one_line_refusal(command("kws-export", run, "--out", out), out, "cannot be written")
    assert (tmp_path / "file").read_text() == "in the way"
    one_line_refusal(command("kws-export", run), "--out")
    one_line_refusal(command("kws-export", "show", tmp_path / "file"), "neither a TFLite nor an ONNX model")


def test_a_limit_that_does_not_exist_or_means_nothing_is_named(command, run, tmp_path):
    refused(command, run, tmp_path, "--limit", "windows", words=("KEY=VALUE",))
    refused(command, run, tmp_path, "--limit", "losses=1", words=("--limit", "unknown losses"))
    refused(command, run, tmp_path, "--limit", "windows=0", words=("windows is 0", "between 1 and"))
    refused(
        command,
        run,
        tmp_path,
        "--limit",
        "int8_agreement=2",
        words=("int8_agreement is 2", "between 0 and 1"),
    )


def test_an_export_that_keeps_no_limit_leaves_what_was_there(command, run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "kws.tflite").write_text("of before")
    result = command("kws-export", run, "--out", out, "--limit", "windows=1000000")
    words = ("validation: there are only", "the limit windows is 1e+06", "Nothing was written")
    one_line_refusal(result, *words, code=3)
    assert [path.name for path in out.iterdir()] == ["kws.tflite"]
    assert (out / "kws.tflite").read_text() == "of before"


def spoiled(run, change):
    """The run with another network behind its mels."""
    model = keras.models.load_model(run / "model.keras")
    inputs = keras.Input(model.input.shape[1:], name="mels")
    keras.Model(inputs, change(inputs)).save(run / "model.keras")


def test_an_operator_that_int8_cannot_carry_is_named(command, run, tmp_path):
    def heads(inputs):
        x = keras.layers.Flatten()(keras.ops.erfinv(keras.ops.tanh(inputs) * 0.9))
        sizes = {"keyword": 4, "scene": 2}
        return {head: keras.layers.Dense(n, activation="softmax", name=head)(x) for head, n in sizes.items()}

    spoiled(run, heads)
    refused(command, run, tmp_path, words=(run, "TFLite does not support", "Erfinv"))


def test_labels_that_are_not_the_heads_are_named(command, run, tmp_path):
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["heads"][1]["labels"].append("thunder")
    (run / "manifest.json").write_text(json.dumps(manifest))
    words = ("the labels do not match the heads", "'scene': 2", "'scene': 3")
    refused(command, run, tmp_path, words=words)
