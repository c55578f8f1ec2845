"""kws-bench speed: every figure is there, and the peers hear the same sound. No figure is judged here."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile
from helpers import one_line_refusal

from kws_benchmarks.peers.environments import PEERS, environment
from kws_benchmarks.peers.peer_process import hear
from kws_benchmarks.speed.cpu_time import speed
from kws_benchmarks.speed.stages import parts, windows
from kws_device import InputError, Spotter, audio_files
from kws_device.model import model_file
from kws_device.model.engine import load_engine

RATE = 16000


@pytest.fixture(scope="module")
def report(command):
    result = command("kws-bench", "speed", "--json", "--seconds", 5, "--rounds", 1)
    assert result.returncode == 0, result.stderr
    assert "ms of CPU per second of sound" in result.stderr
    return json.loads(result.stdout)


def test_the_report_names_the_model_and_has_every_figure(report, shipped):
    assert report["hash"] == model_file.read(shipped).manifest.hash
    for figure in (
        "pipeline_ms_per_audio_s", "frontend_ms_per_audio_s", "decoder_ms_per_audio_s", "inference_ms",
        "startup_ms", "rss_mb", "librosa_ms_per_audio_s", "frontend_speedup",
    ):  # fmt: skip
        assert report[figure] > 0, figure
    assert report["peers"] == {}
    assert (report["audio_s"], report["rounds"]) == (5, 1)


def test_a_listening_process_is_measured_without_what_only_training_needs(report):
    assert 20 < report["rss_mb"] < 200


def test_without_json_nothing_is_printed_for_programs(command):
    result = command("kws-bench", "speed", "--seconds", 1, "--rounds", 1)
    assert (result.returncode, result.stdout) == (0, "")


def test_the_parts_see_all_of_the_sound(shipped, demo):
    file = model_file.read(shipped)
    sound = audio_files.read(demo / "demo.flac", RATE)[: 3 * RATE]
    seen = windows(file.manifest, sound)
    decisions = Spotter.load().feed(sound)
    assert len(seen) == len(decisions) == 30
    calls = parts(file.manifest, load_engine(file), sound)
    assert list(calls) == ["no model", "decoder", "inference", "librosa"]
    assert min(call() for call in calls.values()) > 0


def test_any_speech_will_do(command, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a.wav", "b.flac"):
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(8000), 8000)
    arguments = ("kws-bench", "speed", "--json", "--seconds", 2, "--rounds", 1, "--speech")
    for speech in (tmp_path, tmp_path / "a.wav"):
        result = command(*arguments, speech)
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["pipeline_ms_per_audio_s"] > 0


def test_bad_input_is_named_in_one_line(command, tmp_path):
    one_line_refusal(command("kws-bench", "speed", "--seconds", 0), "--seconds 0")
    one_line_refusal(command("kws-bench", "speed", "--seconds", "nan"), "--seconds nan")
    one_line_refusal(command("kws-bench", "speed", "--rounds", 0), "--rounds 0")
    one_line_refusal(command("kws-bench", "speed", "--model", "none"), "none")
    one_line_refusal(command("kws-bench", "speed", "--speech", tmp_path / "no.wav"), "no.wav")
    one_line_refusal(command("kws-bench", "speed", "--speech", tmp_path), "no audio found")


def test_a_peer_is_measured_beside_ours_in_an_environment_of_its_own(monkeypatch, tmp_path):
    peer = PEERS[0]
    try:
        environment(peer, tmp_path)
    except InputError as error:
        pytest.skip(f"no packages to be had: {error}")
    monkeypatch.setattr("kws_benchmarks.speed.cpu_time.PEERS", (peer,))
    report = speed(None, None, seconds=3.0, rounds=1, peers=tmp_path)
    (figures,) = report["peers"].values()
    assert list(report["peers"]) == ["pymicro-wakeword"]
    assert figures["ms_per_audio_s"] > 0
    ratio = report["pipeline_ms_per_audio_s"] / figures["ms_per_audio_s"]
    assert figures["ratio"] == pytest.approx(ratio, rel=0.01)
    assert len(list(tmp_path.iterdir())) == 1

    with pytest.raises(InputError, match="pymicro-wakeword failed"):
        hear(peer, environment(peer, tmp_path), "no_such_word", [np.zeros(RATE, np.float32)])
