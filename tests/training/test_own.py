"""kws-train own: its words, its thresholds, its stages, and what it refuses."""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import synthetic_datasets
from helpers import one_line_refusal

from kws_device import InputError, audio_files
from kws_device.model import model_file
from kws_training.data.layouts import read_dataset
from kws_training.own import own, words
from kws_training.own.command import main
from kws_training.own.plan import OwnPlan
from kws_training.own.stages import Stage, program, run_stages
from kws_training.own.thresholds import check_rate, false_scores, thresholds, with_thresholds

RATE = 16000


def plan_of(out: Path, **changes) -> OwnPlan:
    plan = OwnPlan(("yes", "no"), None, None, None, None, 0.5, 20, 2, None, 1, out)
    return replace(plan, **changes)


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> Path:
    """What synthetic voices leave: two keywords and another word, by twelve voices."""
    folder = tmp_path_factory.mktemp("said")
    rng = np.random.default_rng(0)
    for word in synthetic_datasets.WORDS:
        (folder / word).mkdir()
        for voice in range(12):
            soundfile.write(
                folder / word / f"voice{voice}_nohash_0.flac", synthetic_datasets.word(word, rng, 0.6), RATE
            )
    return folder


def test_takes_become_words_and_a_sixth_of_the_speakers_validates(said, tmp_path):
    speech = synthetic_datasets.own_words(tmp_path / "own", takes=12)
    words.cut_takes(speech, ("yes", "no"), tmp_path / "takes")
    clips = [audio_files.read(path, RATE) for path in (tmp_path / "takes").glob("*/*")]
    assert len(clips) == 24
    assert 0.3 < np.median([len(clip) for clip in clips]) / RATE < 0.8
    room = tmp_path / "own" / "_background_noise_" / "room.wav"
    room.parent.mkdir()
    soundfile.write(room, np.full(RATE, 0.01), RATE)
    background = read_dataset(speech).background
    words.arrange(
        tmp_path / "takes", said, ("yes", "no"), tmp_path / "speech", tmp_path / "voices", background
    )
    dataset = read_dataset(tmp_path / "speech")
    assert [path.read_bytes() for path in dataset.background] == [room.read_bytes()]
    train, validation = (
        {(clip.label, clip.source) for clip in dataset.split(s)} for s in ("train", "validation")
    )
    assert {label for label, _ in train} == {"yes", "no"}
    assert {label for label, _ in validation} == {"yes", "no", "bed"}
    assert not train & validation
    assert sum(label in ("yes", "no") for label, _ in validation) == 4
    voices = {(clip.label, clip.source) for clip in read_dataset(tmp_path / "voices").clips}
    assert len(voices) == 36 - sum(label == "bed" for label, _ in validation)
    assert not voices & validation


def test_without_takes_some_voices_validate_and_the_others_train(said, tmp_path):
    words.arrange(None, said, ("yes", "no"), tmp_path / "speech", tmp_path / "voices")
    dataset = read_dataset(tmp_path / "speech")
    assert {clip.label for clip in dataset.split("train")} == {"yes", "no"}
    assert {clip.label for clip in dataset.split("validation")} == {"yes", "no", "bed"}
    assert {clip.label for clip in read_dataset(tmp_path / "voices").clips} == {"bed"}


def test_too_few_takes_and_takes_without_a_word_are_refused(tmp_path):
    speech = synthetic_datasets.own_words(tmp_path / "own", takes=4)
    with pytest.raises(InputError, match=r"4 takes, at least 5.*folders: no, yes"):
        words.check_takes(speech, ("yes",))
    with pytest.raises(InputError, match="bed: 0 takes"):
        words.check_takes(speech, ("bed",))
    for i in range(6):
        soundfile.write(speech / "yes" / f"silent{i}.wav", np.zeros(2 * RATE), RATE)
    words.check_takes(speech, ("yes",))
    with pytest.raises(InputError, match="found in 4 of 10 takes"):
        words.cut_takes(speech, ("yes",), tmp_path / "takes")
    assert not (tmp_path / "takes").exists()


def test_thresholds_reach_beyond_what_so_few_hours_showed():
    rng = np.random.default_rng(0)
    log_odds = rng.exponential(1.0, 4000)  # 4000 scores in 10 hours, one e-fold fewer for each unit
    scores = (1 / (1 + np.exp(-log_odds))).tolist()
    for rate in (5.0, 0.5):
        chosen = thresholds({"yes": scores}, 10.0, rate)["yes"]
        assert math.log(chosen / (1 - chosen)) == pytest.approx(math.log(4000 / 10 / rate), abs=0.7)
    both = thresholds({"yes": scores, "no": []}, 10.0, 5.0)
    assert both["yes"] > thresholds({"yes": scores}, 10.0, 5.0)["yes"]
    assert both["no"] == 0.5
    assert thresholds({"yes": [0.61, 0.8]}, 1.0, 0.5)["yes"] == 0.8


def test_a_rate_that_nothing_tells_about_is_refused_with_the_hours_that_it_takes():
    check_rate(0.5, 0.4)
    with pytest.raises(InputError, match=r"0\.40 hours .* at least 3\.3 hours, and 300 to be sure"):
        check_rate(0.01, 0.4)


def test_thresholds_come_from_what_the_model_nearly_takes_for_its_words(demo, tmp_path):
    source = model_file.find(None)
    scores, hours = false_scores(source, [demo / "demo.flac"])
    assert hours == pytest.approx(soundfile.info(demo / "demo.flac").duration / 3600, rel=1e-3)
    assert max(scores["yes"]) > 0.7
    chosen = dict.fromkeys(scores, 0.6)
    manifest = with_thresholds(source, tmp_path / "kws.tflite", chosen, 0.5)
    written = model_file.read(tmp_path / "kws.tflite").manifest
    assert written == manifest
    assert written.decoder.thresholds == chosen
    assert written.decoder.false_accepts_per_hour == 0.5


def test_a_stage_that_is_done_is_not_done_again(tmp_path):
    done: list[str] = []

    def stage(name: str, fails: bool = False) -> Stage:
        def run(progress):
            progress(0.5)
            if fails:
                raise KeyboardInterrupt
            done.append(name)

        return Stage(name, name, 1.0, run)

    with pytest.raises(KeyboardInterrupt):
        run_stages([stage("a"), stage("b", fails=True), stage("c")], tmp_path)
    assert done == ["a"]
    run_stages([stage("a"), stage("b"), stage("c")], tmp_path)
    assert done == ["a", "b", "c"]


@pytest.fixture
def command_of(tmp_path, monkeypatch):
    """Puts a shell script on the path, as a program of the kit."""

    def make(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return make


def test_a_program_that_is_killed_is_told_in_one_line(command_of, tmp_path):
    command_of("kws-killed", "kill -9 $$")
    with pytest.raises(InputError, match=r"kws-killed was killed by signal 9 .*log is .*killed\.log"):
        program("kws-killed", log=tmp_path / "killed.log")


def test_a_signal_to_the_command_ends_the_program_that_it_runs(command_of, tmp_path):
    command_of("kws-sleeps", f"echo $$ > {tmp_path}/pid; echo 'epoch 1/2: x' >&2; exec sleep 100")

    def run(progress):
        program(
            "kws-sleeps",
            log=tmp_path / "log",
            progress=lambda share: os.kill(os.getpid(), signal.SIGTERM),
        )

    former = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        run_stages([Stage("a", "a", 1.0, run)], tmp_path)
    assert left.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == former
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_other_options_do_not_go_on_in_the_same_folder(tmp_path):
    plan_of(tmp_path / "out").begin()
    plan_of(tmp_path / "out").begin()
    with pytest.raises(InputError, match="other options"):
        plan_of(tmp_path / "out", seed=2).begin()
    assert (tmp_path / "out" / "work").stat().st_mode & 0o077 == 0


def test_a_program_that_refuses_its_input_is_quoted_and_one_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match="none: no such recipe"):
        program("kws-train", "none", "--speech", "a", "--out", tmp_path / "r", log=tmp_path / "log")
    with pytest.raises(InputError, match="kws-nothing: not installed"):
        program("kws-nothing", log=tmp_path / "log")


def test_the_stages_lead_to_tuned_files_without_sound_and_with_it(said, demo, tmp_path, monkeypatch):
    """The other programs are replaced by what they leave; all that is done here is real."""
    asked: list[tuple[str, ...]] = []

    def instead(name, *arguments, log, progress=None):
        arguments = tuple(map(str, arguments))
        asked.append((name, *arguments))
        out = Path(arguments[arguments.index("--out") + 1])
        out.mkdir(exist_ok=True)
        if name == "kws-export":
            (out / "export.json").write_text(json.dumps({"parity": {}}))
            for kind in ("tflite", "onnx"):
                (out / f"kws.{kind}").write_bytes(model_file.find(None, (kind,)).read_bytes())

    monkeypatch.setattr(own, "program", instead)
    monkeypatch.setattr(own.tts, "make", lambda dest, *_: _copy(said, dest))
    own.make_own(plan_of(tmp_path / "bare"))
    assert [call[0] for call in asked] == ["kws-train", "kws-export", "kws-bench"]
    assert asked[-1][1] == "robustness"
    assert model_file.read(tmp_path / "bare" / "kws.tflite").manifest.decoder.false_accepts_per_hour is None

    talk = tmp_path / "talk"
    for split in ("train", "validation"):
        (talk / split).mkdir(parents=True)
        (talk / split / "ann.flac").write_bytes((demo / "demo.flac").read_bytes())
    asked.clear()
    plan = plan_of(tmp_path / "full", negatives=talk, false_accepts_per_hour=100.0)
    own.make_own(plan)
    trainings = [call for call in asked if call[0] == "kws-train"]
    assert [call[1] for call in trainings] == ["own-words", "verifier"]
    assert trainings[1][trainings[1].index("--hard") + 1].endswith("mined")
    assert "--scenes" not in trainings[0]
    assert [call[1] for call in asked if call[0] == "kws-bench"] == ["stream", "robustness"]
    metrics = json.loads((tmp_path / "full" / "metrics.json").read_text())
    for kind in ("tflite", "onnx"):
        manifest = model_file.read(tmp_path / "full" / f"kws.{kind}").manifest
        assert manifest.decoder.thresholds == metrics["thresholds"]
        assert manifest.decoder.false_accepts_per_hour == 100.0
        assert metrics["files"][f"kws.{kind}"] == manifest.hash
    asked.clear()
    own.make_own(plan)
    assert asked == []


def test_a_run_goes_on_from_its_checkpoint_or_begins_anew(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "model.keras").touch()
    assert "--resume" not in own._into(run)
    assert not run.exists()  # kws-train refuses a run that it cannot resume
    run.mkdir()
    (run / "checkpoint.keras").touch()
    assert "--resume" in own._into(run)


def _copy(said: Path, dest: Path) -> int:
    import shutil

    shutil.copytree(said, dest)
    return 36


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keywords", ","], "at least one word"),
        (["--keywords", "yes", "--false-accepts", "0"], "--false-accepts 0"),
        (["--keywords", "yes", "--voices", "5"], "--voices 5"),
        (["--keywords", "yes", "--epochs", "0"], "--epochs 0"),
        (["--keywords", "yes", "--speech", "none"], "none: no such folder"),
        (["--keywords", "yes", "--negatives", "none"], "none: no such folder"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, said, command, tmp_path):
    one_line_refusal(command("kws-train", "own", *arguments, "--out", "out", cwd=tmp_path), said)
    assert not (tmp_path / "out").exists()


def test_the_command_ends_with_where_the_report_and_the_model_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(own, "make_own", lambda plan: None)
    assert main(["--keywords", "yes", "--out", str(tmp_path / "mine")]) == 0
    report, model = capsys.readouterr().err.splitlines()
    assert report == f"report: {tmp_path / 'mine' / 'report' / 'index.html'}"
    assert model.startswith(f"{tmp_path / 'mine' / 'kws.tflite'} is ready")
