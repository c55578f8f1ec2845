"""kws-train from folders to a run, and on again after an interruption."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import synthetic_datasets
from helpers import as_installed, one_line_refusal, run_installed

from kws_device import InputError
from kws_device.model.manifest_json import parse
from kws_training.cli import schemes
from kws_training.loop import runs
from kws_training.recipes.format import to_toml
from kws_training.schemes.kit.recipe import FORMAT


def history(run):
    with (run / "history.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_holds_everything_that_explains_it(trained):
    run = trained.run
    names = {path.name for path in run.iterdir()}
    assert names >= {"recipe.toml", "environment.txt", "model.keras", "history.csv", "metrics.json", "plots"}
    assert list((run / "tensorboard").glob("events.out.tfevents.*"))
    assert not any(name.startswith(".") for name in names)
    loaded = schemes.load(str(run / "recipe.toml"))
    assert (loaded.keywords, loaded.optimisation.epochs, loaded.model.stem) == (("yes", "no"), 15, 4)
    assert "keras==" in (run / "environment.txt").read_text()
    assert {path.name for path in (run / "plots").iterdir()} == {
        "learning_curves.png",
        "confusion_keyword.png",
        "confusion_scene.png",
    }
    assert len(history(run)) == 15


def test_the_small_network_has_learned_its_tones(trained):
    clean = json.loads((trained.run / "metrics.json").read_text())["validation"][0]
    assert clean["kind"] == "clean"
    assert clean["keyword"]["accuracy"] > 0.8
    assert clean["scene"]["accuracy"] > 0.8


def test_the_manifest_says_what_the_device_must_know(trained):
    manifest = parse((trained.run / "manifest.json").read_bytes(), "manifest")
    assert manifest.keywords == ("yes", "no")
    assert manifest.head("keyword").labels == ("yes", "no", "_unknown_", "_silence_")
    assert manifest.head("scene").labels == ("hum", "rain")
    assert manifest.recipe["seed"] == 1
    assert manifest.sources[0].licence == "CC BY 4.0"


def test_an_interrupted_and_resumed_run_equals_an_uninterrupted_one(trained, tmp_path):
    run = tmp_path / "run"
    name, *arguments = map(str, trained.arguments)
    with subprocess.Popen(
        [Path(sys.executable).with_name(name), *arguments, "--out", run], env=as_installed()
    ) as process:
        while not (run / "history.csv").exists() or len(history(run)) < 2:
            assert process.poll() is None
            time.sleep(0.02)  # not beside it on the same core
        process.send_signal(signal.SIGKILL)
    assert len(history(run)) < 15
    result = run_installed(*trained.arguments, "--out", run, "--resume")
    assert result.returncode == 0, result.stderr
    assert history(run) == history(trained.run)
    import keras

    for ours, theirs in zip(
        keras.models.load_model(run / "model.keras", compile=False).get_weights(),
        keras.models.load_model(trained.run / "model.keras", compile=False).get_weights(),
        strict=True,
    ):
        assert np.array_equal(ours, theirs)


def test_weights_of_another_run_can_be_the_start(trained, command, tmp_path):
    arguments = [*trained.arguments, "--epochs", 1, "--seed", 5, "--out", tmp_path / "run"]
    result = command(*arguments, "--from", trained.run, "--set", "optimisation.learning_rate=1e-6")
    assert result.returncode == 0, result.stderr
    assert float(history(tmp_path / "run")[0]["loss"]) < float(history(trained.run)[0]["loss"]) / 1.5
    ours, theirs = (schemes.read_run(run).manifest.normalisation for run in (tmp_path / "run", trained.run))
    assert ours == theirs  # what the weights were made for; another seed alone would have given another one


def test_a_teacher_is_listened_to_and_remembered(trained, command, tmp_path):
    taught = [*trained.arguments, "--epochs", "1", "--teacher", trained.run, "--out"]
    assert command(*taught, tmp_path / "taught").returncode == 0
    alone = command(*trained.arguments, "--epochs", "1", "--out", tmp_path / "alone")
    assert alone.returncode == 0
    loss = [float(history(tmp_path / name)[0]["loss"]) for name in ("taught", "alone")]
    assert loss[0] != loss[1]
    assert json.loads((tmp_path / "taught" / "teacher.json").read_text())["run"] == trained.run.name
    assert not (tmp_path / "alone" / "teacher.json").exists()
    forgotten = command(*trained.arguments, "--epochs", "1", "--resume", "--out", tmp_path / "taught")
    one_line_refusal(forgotten, "another teacher")


def test_scenes_are_optional_and_mined_sound_trains(trained, command, tmp_path):
    noise = synthetic_datasets.speech_commands(tmp_path / "other") / "_background_noise_"
    hard = synthetic_datasets.mined(tmp_path / "hard")
    options = [part for part in trained.arguments if part not in ("--scenes", trained.scenes)]
    run = tmp_path / "run"
    result = command(*options, "--epochs", "2", "--noise", noise, "--hard", hard, "--out", run)
    assert result.returncode == 0, result.stderr
    manifest = parse((run / "manifest.json").read_bytes(), "manifest")
    assert set(manifest.labels) == {"keyword"}
    assert "hard: stretches of talk" in [source.name for source in manifest.sources]
    names = [found.get("with") for found in json.loads((run / "metrics.json").read_text())["validation"]]
    assert names == [None, *["noise"] * 5]
    assert runs.recall_folders(run).hard == (hard,)


def test_mined_sound_of_other_words_is_refused(trained, command, tmp_path):
    for made, words in (
        (synthetic_datasets.mined(tmp_path / "rate", rate=8000), "mined at 8000 Hz"),
        (
            synthetic_datasets.mined(tmp_path / "words", keywords=("yes", "bed")),
            "hears yes, bed, not yes, no",
        ),
        (tmp_path / "none", "no such folder"),
    ):
        one_line_refusal(command(*trained.arguments, "--hard", made, "--out", tmp_path / "run"), words)
        assert not (tmp_path / "run").exists()


def test_a_teacher_that_hears_or_says_something_else_is_refused(trained, command, tmp_path):
    for change, words in (
        (("--keywords", "yes,bed"), "other labels"),
        (("--set", "front_end.mels=32"), "another front end"),
    ):
        result = command(*trained.arguments, *change, "--teacher", trained.run, "--out", tmp_path / "run")
        one_line_refusal(result, words)
        assert not (tmp_path / "run").exists()
    for teacher, words in (("kws", "other labels"), (tmp_path / "none", "no such model file")):
        result = command(*trained.arguments, "--teacher", teacher, "--out", tmp_path / "run")
        one_line_refusal(result, words)
        assert not (tmp_path / "run").exists()


def test_a_run_can_be_evaluated_on_the_test_split(trained, command):
    arguments = ("--speech", trained.speech, "--scenes", trained.scenes)
    result = command("kws-train", "evaluate", trained.run, *arguments, "--split", "test")
    assert result.returncode == 0, result.stderr
    clean = next(line.split() for line in result.stdout.splitlines() if line.startswith("clean"))
    assert float(clean[1]) > 0.8
    assert int(clean[2]) == 18 + 2 * 2
    assert int(clean[4]) == 8 * 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "holds a run already"),
        (["--resume", "--seed", 2], "another recipe"),
        (["--epochs", 0], "at least 1"),
        (["--set", "epoch.unknown_share=0.9"], "below 1"),
    ],
)
def test_a_run_is_not_overwritten_and_not_resumed_as_another(more, words, trained, command):
    before = (trained.run / "model.keras").read_bytes()
    one_line_refusal(command(*trained.arguments, "--out", trained.run, *more), words)
    assert (trained.run / "model.keras").read_bytes() == before


def test_a_run_that_was_stopped_before_its_first_epoch_ended_can_begin_again(trained, tmp_path):
    recipe = schemes.load(str(trained.run / "recipe.toml"))
    (tmp_path / "recipe.toml").write_text(to_toml(recipe))
    runs.check_folder(tmp_path, recipe, FORMAT, resume=False)
    (tmp_path / "checkpoint.keras").touch()
    with pytest.raises(InputError, match="holds a run already"):
        runs.check_folder(tmp_path, recipe, FORMAT, resume=False)


def test_what_cannot_be_resumed_or_evaluated_is_refused(trained, command, tmp_path):
    one_line_refusal(command(*trained.arguments, "--out", tmp_path / "none", "--resume"), "to resume from")
    data = ("--speech", trained.speech, "--scenes", trained.scenes)
    one_line_refusal(command("kws-train", "evaluate", tmp_path, *data, "--split", "test"), "not a run")
    one_line_refusal(command("kws-train", "evaluate", trained.run, *data, "--split", "best"), "--split")
    assert list(tmp_path.iterdir()) == []
