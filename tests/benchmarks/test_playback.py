"""The acoustic loop over a virtual sound card, in real time: what is played comes back at its place."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import soundfile
from helpers import one_line_refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_card import VirtualCard

from kws_benchmarks.playback.chirp import chirp, find, find_pair
from kws_device import audio_files

RATE = 16000
CARD_RATE = 44100
"""PortAudio's own choice for the virtual card, so that nothing but our code resamples."""
DEVICES = ("--speaker", "virtspeaker", "--device", "virtmic")


@settings(max_examples=30)
@given(st.integers(0, 20000), st.sampled_from([16000, 44100, 48000]), st.integers(0, 99), st.booleans())
def test_a_chirp_is_found_to_the_sample_in_noise_as_loud_as_itself(at, rate, seed, turned_over):
    mark = chirp(rate)
    noise = np.random.default_rng(seed).standard_normal(2 * rate) * np.sqrt(np.mean(mark**2))
    assert find(noise.astype(np.float32), rate) is None
    noise[at : at + len(mark)] += -mark if turned_over else mark
    assert find(noise.astype(np.float32), rate) == at


def test_a_recording_that_lost_sound_between_its_chirps_is_not_taken():
    pause = np.zeros(RATE, dtype=np.float32)
    whole = np.concatenate([pause, chirp(RATE), pause, pause, chirp(RATE), pause])
    apart_s = 2 + len(chirp(RATE)) / RATE
    assert find_pair(whole, RATE, apart_s) == RATE
    for lost_s in (0.01, 0.1, 1.5):
        assert find_pair(np.delete(whole, slice(2 * RATE, round((2 + lost_s) * RATE))), RATE, apart_s) is None
    assert find_pair(whole[: 3 * RATE], RATE, apart_s) is None
    assert find_pair(whole[:100], RATE, apart_s) is None


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    virtual = VirtualCard(tmp_path_factory.mktemp("pulse"), CARD_RATE, np.zeros(CARD_RATE, np.int16))
    virtual.start()
    yield virtual
    virtual.kill()


def played(card, folder, script):
    """Run a script that has `room` and saves what was heard."""
    head = """
        import numpy as np
        from kws_benchmarks.playback.room import Room, play_clips
        room = Room("virtspeaker", "virtmic")
    """
    command = [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script), str(folder)]
    subprocess.run(command, env=card.environment, check=True, timeout=120)
    return np.load(folder / "heard.npy", allow_pickle=False)


def test_what_is_played_comes_back_sample_by_sample(card, tmp_path):
    sound = (0.1 * np.random.default_rng(0).standard_normal(2 * CARD_RATE)).astype(np.float32)
    np.save(tmp_path / "sound.npy", sound)
    heard = played(card, tmp_path, f"""
        import sys
        sound = np.load(sys.argv[1] + "/sound.npy", allow_pickle=False)
        clips = play_clips(room, np.split(sound, 3), {CARD_RATE})
        np.save(sys.argv[1] + "/heard.npy", np.concatenate(list(clips)))
    """)  # fmt: skip
    assert np.abs(heard - sound).max() <= 1.5 / 32768


def test_a_test_set_is_heard_window_by_window_and_a_shared_window_once(card, tmp_path):
    sound = (0.1 * np.random.default_rng(0).standard_normal((3, CARD_RATE // 4))).astype(np.float32)
    np.save(tmp_path / "sound.npy", sound)
    heard = played(card, tmp_path, f"""
        import sys
        from kws_benchmarks.playback.played_sets import played
        from kws_training.evaluation.eval_sets import EvaluationSet, Item
        sound = np.load(sys.argv[1] + "/sound.npy", allow_pickle=False)
        words = [Item(str(n), "somebody", "yes", window) for n, window in enumerate(sound[:2])]
        scenes = [Item("b", "street", "rain", words[1].samples), Item("c", "street", "rain", sound[2])]
        set_ = played(EvaluationSet("clean", None, None, None, words, scenes), room, {CARD_RATE})
        assert [item.name for item in (*set_.words, *set_.scenes)] == ["0", "1", "b", "c"]
        assert set_.words[1].samples is set_.scenes[0].samples
        found = [*set_.words, set_.scenes[1]]
        np.save(sys.argv[1] + "/heard.npy", np.stack([item.samples for item in found]))
    """)  # fmt: skip
    assert np.abs(heard - sound).max() <= 1.5 / 32768


def test_words_score_over_the_air_as_from_the_file(card, command, demo, tmp_path):
    """The stream once straight and once played, at the model's rate through a card of another."""
    (tmp_path / "talk").mkdir()
    sound = audio_files.read(demo / "demo.flac", RATE)[: 13 * RATE]
    soundfile.write(tmp_path / "talk" / "demo.flac", sound, RATE)
    arguments = ("kws-bench", "stream", "--negatives", tmp_path / "talk", "--split", "all", "--out")
    reports = []
    for out, options in (("straight", ()), ("played", ("--playback", *DEVICES))):
        result = command(*arguments, tmp_path / out, *options, env=card.environment)
        assert result.returncode == 0, result.stderr
        reports.append(json.loads((tmp_path / out / "stream.json").read_text()))
    straight, over_the_air = (report["false_events"] for report in reports)
    assert reports[1]["played"] == "virtspeaker to virtmic"
    assert len(straight) >= 3
    assert [(e["keyword"], e["end_s"]) for e in over_the_air] == [
        (e["keyword"], e["end_s"]) for e in straight
    ]
    for a, b in zip(over_the_air, straight, strict=True):
        assert a["score"] == pytest.approx(b["score"], abs=0.05)
    assert reports[0]["hours"] == reports[1]["hours"]


def test_a_loudspeaker_that_is_not_heard_or_not_there_is_refused(card, command, tmp_path):
    (tmp_path / "talk").mkdir()
    soundfile.write(tmp_path / "talk" / "a.wav", np.zeros(RATE // 2), RATE)
    arguments = [
        "kws-bench",
        "stream",
        "--negatives",
        tmp_path / "talk",
        "--split",
        "all",
        "--out",
        tmp_path / "o",
    ]
    for devices, *words in (
        (("--speaker", "virtspeaker", "--device", "playedmic"), "playedmic", "does not hear"),
        (("--speaker", "tuba", "--device", "virtmic"), "--speaker tuba", "virtspeaker"),
        (("--speaker", "virtspeaker", "--device", "tuba"), "--device tuba", "--list-devices"),
    ):
        one_line_refusal(command(*arguments, "--playback", *devices, env=card.environment), *words)
    judged = ("kws-bench", "robustness", "--speech", tmp_path / "talk", *arguments[4:])
    for plain in (arguments, judged):
        one_line_refusal(command(*plain, "--speaker", "virtspeaker"), "--playback")
    assert not (tmp_path / "o").exists()
