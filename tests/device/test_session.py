"""A listener that is told things: signals, a new model, what to keep and what to run."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_device import audio_files
from kws_device.model import model_file
from kws_device.session import _States
from kws_device.sources import LISTENING

RATE = 16000
LISTEN = Path(sys.executable).with_name("kws-listen")


@pytest.fixture
def playing(demo, shipped, tmp_path):
    """A listener that hears the demo in real time, with a model file of its own."""
    model = tmp_path / "own.tflite"
    shutil.copy(shipped, model)
    arguments = [LISTEN, "--model", model, "--file", demo / "demo.flac", "--real-time", "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process, model
        process.kill()


def test_sigterm_ends_with_a_summary_and_0(playing):
    process, _ = playing
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, complaint = process.communicate(timeout=10)
    assert (process.returncode, complaint) == (0, "")
    assert json.loads(rest.splitlines()[-1])["type"] == "summary"


def test_sighup_reads_the_model_again_and_the_time_goes_on(playing):
    process, model = playing
    first = json.loads(process.stdout.readline())
    file = model_file.read(model)
    model_file.write(model, file.model, replace(file.manifest, name="another"), file.verifier)
    process.send_signal(signal.SIGHUP)
    assert "listening with another" in process.stderr.readline()
    second = json.loads(process.stdout.readline())
    assert second["end_s"] > first["end_s"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_model_that_is_no_good_leaves_the_old_one_listening(playing):
    process, model = playing
    process.stdout.readline()
    model.write_bytes(model.read_bytes()[:1000])
    process.send_signal(signal.SIGHUP)
    line = process.stderr.readline()
    assert "stays as it was" in line
    assert "own.tflite" in line
    assert json.loads(process.stdout.readline())["type"] == "keyword"


def test_events_are_kept_and_told_to_a_command(command, demo, tmp_path):
    told = tmp_path / "told"
    script = f'echo "$KWS_KEYWORD $KWS_SCORE" >> {told}'
    clips = tmp_path / "clips"
    options = ["--save-clips", clips, "--keep-clips", "5", "--exec", script, "--shell", "--json"]
    result = command("kws-listen", "--file", demo / "demo.flac", *options)
    events = [json.loads(line) for line in result.stdout.splitlines()][:-1]
    assert told.read_text().split("\n")[:-1] == [f"{e['keyword']} {e['score']}" for e in events]
    kept = sorted(clips.iterdir())
    assert [path.name.split("_")[1] for path in kept] == [e["keyword"] for e in events[-5:]]
    sound, rate = soundfile.read(kept[-1], dtype="float32")
    demo_sound = audio_files.read(demo / "demo.flac", RATE)
    assert rate == RATE
    assert len(sound) >= RATE
    assert any(
        np.abs(sound - demo_sound[end - len(sound) : end]).max() < 1e-4
        for end in range(round(events[-1]["end_s"] * RATE), len(demo_sound), RATE // 10)
    )


def test_a_loose_plug_is_told_ever_less_often():
    now_s = 0.0
    states = _States(lambda: now_s)

    class Plug:
        name, lost_s, state = "plug", 0.0, LISTENING

    told = []
    for now_s in np.arange(0, 3600, 0.5):
        Plug.state = LISTENING if int(now_s) % 2 else "waiting for plug"
        told.append(states.news(Plug))
    assert 5 < sum(map(bool, told)) < 20
    assert any("listening on plug" in text for text in told)
