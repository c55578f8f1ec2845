"""kws-listen as people and programs use it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_terminal import FakeTerminal
from helpers import one_line_refusal

from kws_device import AudioFile, RawStream, Spotter, audio_files
from kws_device.levels import SILENCE_DBFS

RATE = 16000


def events(result):
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["keyword"] * (len(lines) - 1) + ["summary"]
    return lines[:-1], lines[-1]


@pytest.fixture(scope="module")
def script(demo):
    return json.loads((demo / "demo.json").read_text())


def test_the_demo_is_heard_word_by_word_and_nothing_else(command, demo, script):
    heard, summary = events(command("kws-listen", "--file", demo / "demo.flac", "--json"))
    keywords = set(Spotter.load().manifest.keywords)
    said = [word for word in script if word["word"] in keywords]
    for event in heard:
        matches = [
            w
            for w in said
            if w["word"] == event["keyword"] and w["start_s"] < event["end_s"] < w["end_s"] + 0.75
        ]
        assert len(matches) == 1, event
        said.remove(matches[0])
    assert [word["word"] for word in said] == []
    assert summary["audio_s"] == pytest.approx(soundfile.info(demo / "demo.flac").duration, abs=0.01)
    assert summary["decisions"] == int((summary["audio_s"] + 0.5) * 10)
    assert summary["lost_s"] == 0


def test_every_event_has_the_fields_that_programs_rely_on(command, demo):
    heard, summary = events(command("kws-listen", "--file", demo / "demo.flac", "--json"))
    fields = [
        "type",
        "keyword",
        "score",
        "start_s",
        "end_s",
        "scene",
        "scene_score",
        "verified",
        "armed",
        "source",
    ]
    for event in heard:
        assert list(event) == fields
        assert event["end_s"] - event["start_s"] == pytest.approx(1.0)
        assert event["score"] == round(event["score"], 4)
        assert event["source"] == str(demo / "demo.flac")
        assert (event["end_s"] * 10) == pytest.approx(round(event["end_s"] * 10))
    assert list(summary) == ["type", "audio_s", "decisions", "lost_s", "cpu_s"]


@pytest.mark.parametrize("block_ms", ["10", "100", "237", "0.1", "5000"])
def test_the_same_events_byte_for_byte_at_any_block_size(block_ms, command, demo):
    plain = command("kws-listen", "--file", demo / "demo.flac", "--json").stdout
    blocks = command("kws-listen", "--file", demo / "demo.flac", "--json", "--block-ms", block_ms).stdout
    without_cpu = [text.rsplit(', "cpu_s"', 1)[0] for text in (plain, blocks)]
    assert without_cpu[0] == without_cpu[1]


def test_each_of_several_files_is_a_source_of_its_own(command, demo):
    once, one = events(command("kws-listen", "--file", demo / "demo.flac", "--json"))
    twice, two = events(
        command("kws-listen", "--file", demo / "demo.flac", "--file", demo / "demo.flac", "--json")
    )
    assert twice == once + once
    assert two["audio_s"] == pytest.approx(2 * one["audio_s"], abs=2e-3)
    assert two["decisions"] == 2 * one["decisions"]


def test_a_pipe_hears_what_the_file_hears(demo):
    raw, _ = soundfile.read(demo / "demo.flac", dtype="int16")
    command = Path(sys.executable).with_name("kws-listen")
    result = subprocess.run([command, "--stdin", "--json"], input=raw.tobytes(), capture_output=True)
    heard = [json.loads(line) for line in result.stdout.splitlines()][:-1]
    listened = list(Spotter.load().listen(AudioFile(demo / "demo.flac")))
    assert [(e["keyword"], e["end_s"], e["score"]) for e in heard] == [
        (e.keyword, e.end_s, e.score) for e in listened
    ]


def test_another_rate_and_stereo_make_little_difference(demo, tmp_path):
    sound, _ = soundfile.read(demo / "demo.flac", dtype="float32")
    import soxr

    louder = soxr.resample(sound, RATE, 44100)
    soundfile.write(tmp_path / "demo.wav", np.stack([louder, louder], axis=1), 44100)
    heard = [e.keyword for e in Spotter.load().listen(AudioFile(tmp_path / "demo.wav"))]
    assert heard == [e.keyword for e in Spotter.load().listen(AudioFile(demo / "demo.flac"))]


def test_a_file_shorter_than_a_second_is_padded(command, demo, script, tmp_path):
    first = script[0]
    sound = audio_files.read(demo / "demo.flac", RATE)
    word = sound[int((first["start_s"] - 0.1) * RATE) : int((first["end_s"] + 0.1) * RATE)]
    assert len(word) < RATE
    soundfile.write(tmp_path / "word.wav", word, RATE)
    soundfile.write(tmp_path / "nothing.wav", word[:0], RATE)
    heard, _ = events(command("kws-listen", "--file", tmp_path / "word.wav", "--json"))
    assert [event["keyword"] for event in heard] == [first["word"]]
    assert events(command("kws-listen", "--file", tmp_path / "nothing.wav", "--json"))[0] == []


def test_a_threshold_given_by_hand_counts(command, demo):
    heard, _ = events(command("kws-listen", "--file", demo / "demo.flac", "--json", "--threshold", "yes=1"))
    assert "yes" not in {event["keyword"] for event in heard}
    assert "no" in {event["keyword"] for event in heard}


def test_people_read_a_line_for_each_word(command, demo):
    result = command("kws-listen", "--file", demo / "demo.flac")
    heard = list(Spotter.load().listen(AudioFile(demo / "demo.flac")))
    assert [line.split()[2] for line in result.stdout.splitlines()] == [event.keyword for event in heard]
    assert "scene: " in result.stdout
    assert "decisions" in result.stderr


def test_a_terminal_shows_the_words_and_a_level_meter_with_the_scene(demo, tmp_path):
    command = Path(sys.executable).with_name("kws-listen")
    sound = tmp_path / "first.wav"
    soundfile.write(sound, audio_files.read(demo / "demo.flac", RATE)[: 5 * RATE], RATE)
    with FakeTerminal() as terminal:
        environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
        streams = {"stdout": terminal.stream, "stderr": terminal.stream}
        result = subprocess.run([command, "--real-time", "--file", sound], env=environment, **streams)
        assert result.returncode == 0
        heard = list(Spotter.load().listen(AudioFile(sound)))
        assert [line.split()[2] for line in terminal.lines[:-1]] == [event.keyword for event in heard]
        assert "decisions" in terminal.lines[-1]
        assert not terminal.cursor_hidden
    assert b"level    [####" in terminal.raw
    assert re.search(rb"scene    \[ *#[# ]*\] 0\.\d\d (rain|sea_waves)", terminal.raw)


def test_ctrl_c_ends_with_a_summary_and_130(demo):
    command = Path(sys.executable).with_name("kws-listen")
    arguments = [command, "--file", demo / "demo.flac", "--real-time", "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline()
        process.send_signal(2)
        rest, complaint = process.communicate(timeout=10)
    assert process.returncode == 130
    assert complaint == ""
    assert json.loads(rest.splitlines()[-1])["type"] == "summary"


def test_a_background_job_does_not_end_by_ctrl_c_but_by_sigterm(demo):
    """A shell starts it with SIGINT ignored, so that Ctrl-C ends what runs in front of it alone."""
    script = 'trap "" INT; exec "$@"'
    command = Path(sys.executable).with_name("kws-listen")
    arguments = ["sh", "-c", script, "sh", command, "--file", demo / "demo.flac", "--real-time", "--json"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert json.loads(process.stdout.readline())["type"] == "keyword"
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert json.loads(rest.splitlines()[-1])["type"] == "summary"


def test_a_reader_that_leaves_is_no_crash(demo):
    command = Path(sys.executable).with_name("kws-listen")
    result = subprocess.run(
        f"{command} --file {demo / 'demo.flac'} --json | head -1", shell=True, capture_output=True, text=True
    )
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nonsense"], ["--nonsense"]),
        (["--model"], ["--model"]),
        (["--file", "none.wav"], ["none.wav"]),
        (["--file", "text.wav"], ["text.wav", "wav, flac, ogg, opus or mp3"]),
        (["--file", "empty.wav"], ["empty.wav", "empty"]),
        (["--file", "nan.wav"], ["nan.wav", "finite"]),
        (["--file", "cut.wav"], ["cut.wav", "truncated"]),
        (["--file", "."], ["folder"]),
        (["--model", "text.wav"], ["text.wav", "neither a TFLite nor an ONNX model"]),
        (["--model", "nothing-like-it"], ["nothing-like-it", "shipped models: accurate, kws"]),
        (["--threshold", "maybe=0.5"], ["maybe", "yes, no"]),
        (["--threshold", "yes"], ["yes", "WORD=P"]),
        (["--threshold", "yes=2"], ["yes=2", "between 0 and 1"]),
        (["--threshold", "yes=nan"], ["yes=nan", "between 0 and 1"]),
        (["--block-ms", "0"], ["--block-ms 0"]),
        (["--block-ms", "nan"], ["--block-ms nan"]),
        (["--block-ms", "x"], ["--block-ms"]),
        (["--file", "a.wav", "--stdin"], ["--stdin"]),
    ],
)
def test_bad_input_is_named_in_one_line(arguments, words, command, demo, tmp_path):
    (tmp_path / "text.wav").write_text("not a sound at all, and long enough to be looked at")
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "nan.wav", np.array([0.1, np.nan] * 9000), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "whole.wav", np.zeros(RATE), RATE)
    (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:5000])
    file = [] if {"--file", "--stdin"} & set(arguments) else ["--file", demo / "demo.flac"]
    one_line_refusal(command("kws-listen", *arguments, *file, cwd=tmp_path), *words)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_the_api_refuses_samples_that_are_no_numbers(bad):
    block = np.zeros(1600, dtype=np.float32)
    block[5] = bad
    with pytest.raises(ValueError, match="finite"):
        Spotter.load().feed(block)


def test_a_block_counts_whether_its_decisions_are_looked_at_or_not(demo):
    sound = audio_files.read(demo / "demo.flac", RATE)[: 10 * RATE]
    half = len(sound) // 2
    whole, halved = Spotter.load(), Spotter.load()
    halved.feed(sound[:half])
    expected = [decision.event for decision in whole.feed(sound) if decision.end_s > half / RATE]
    assert [decision.event for decision in halved.feed(sound[half:])] == expected
    assert any(expected)


def test_the_clip_of_a_decision_in_a_block_is_its_window():
    block = np.linspace(-0.5, 0.5, 3 * RATE, dtype=np.float32)
    spotter = Spotter.load()
    for decision in spotter.decisions_in(block):
        assert spotter.clip()[-1] == block[round(decision.end_s * RATE) - 1]


def test_a_decision_tells_how_loud_the_sound_since_the_one_before_is():
    step = RATE // 10
    block = np.repeat(np.float32([0.1, 0.01, 0.0]), step)
    block[step] = -0.5
    loud, quiet, silent = Spotter.load().feed(block)
    assert (loud.level_dbfs, loud.peak_dbfs) == pytest.approx((-20, -20), abs=0.01)
    assert quiet.level_dbfs == pytest.approx(10 * np.log10(0.01**2 + 0.5**2 / step), abs=0.01)
    assert quiet.peak_dbfs == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert (silent.level_dbfs, silent.peak_dbfs) == (SILENCE_DBFS, SILENCE_DBFS)


def test_a_decision_with_an_event_carries_its_sound_and_no_other_does(demo):
    sound = audio_files.read(demo / "demo.flac", RATE)[: 10 * RATE]
    decisions = Spotter.load().feed(sound)
    length = round(RATE * Spotter.load().manifest.verifier.clip_ms / 1000)
    padded = np.concatenate([np.zeros(length, dtype=np.float32), sound])
    assert any(decision.event for decision in decisions)
    for decision in decisions:
        assert (decision.clip is None) == (decision.event is None)
        if decision.clip is not None:
            end = length + round(decision.end_s * RATE)
            np.testing.assert_array_equal(decision.clip.samples, padded[end - length : end])
            assert decision.clip.sample_rate_hz == RATE


def test_a_decision_names_its_scores(demo):
    sound = audio_files.read(demo / "demo.flac", RATE)[: 10 * RATE]
    decisions = Spotter.load().feed(sound)
    best = [decision.labels["keyword"][decision.scores["keyword"].argmax()] for decision in decisions]
    heard = [i for i, decision in enumerate(decisions) if decision.event is not None]
    assert heard
    # The verifier's answer comes half a second behind the first network's.
    assert all(decisions[i].event.keyword in best[i - 5 : i + 1] for i in heard)


@pytest.mark.parametrize("sizes", [[3], [1], [5, 2, 1], [3200]])
def test_short_reads_of_a_pipe_lose_no_byte(sizes):
    pcm = np.random.default_rng(1).integers(-30000, 30000, 4001).astype("<i2")
    rest = pcm.tobytes() + b"x"

    class Pipe:
        turn = 0

        def read(self, size):
            nonlocal rest
            n = min(size, sizes[self.turn % len(sizes)])
            self.turn += 1
            given, rest = rest[:n], rest[n:]
            return given

    *blocks, tail = RawStream(Pipe(), "pipe").blocks(RATE)
    assert np.array_equal(np.concatenate(blocks), pcm / np.float32(32768))
    assert not tail.any()


def test_int16_samples_are_heard_as_floating_point_ones_are(demo):
    sound = audio_files.read(demo / "demo.flac", RATE)[: 10 * RATE]
    pcm = np.round(sound * 32767).astype(np.int16)
    heard = [d.event for d in Spotter.load().feed(pcm) if d.event]
    assert heard == [d.event for d in Spotter.load().feed(pcm / np.float32(32768)) if d.event]
    assert heard


@pytest.mark.parametrize("kind", [np.int32, np.uint8, np.complex64, bool])
def test_samples_whose_full_scale_is_unknown_are_refused(kind):
    with pytest.raises(TypeError, match="int16"):
        Spotter.load().feed(np.zeros(1600, dtype=kind))


@pytest.mark.parametrize("shape", [(1600, 1), (2, 1600), ()])
def test_samples_of_several_channels_are_refused(shape):
    with pytest.raises(ValueError, match="one channel"):
        Spotter.load().feed(np.zeros(shape, dtype=np.float32))


def test_a_reset_spotter_equals_a_new_one(demo):
    sound = audio_files.read(demo / "demo.flac", RATE)[: 6 * RATE]
    used, new = Spotter.load(), Spotter.load()
    used.feed(sound[::-1] * 3)
    used.reset()
    for ours, theirs in zip(used.feed(sound), new.feed(sound), strict=True):
        assert ours.event == theirs.event
        assert all(np.array_equal(ours.scores[head], theirs.scores[head]) for head in ours.scores)


def test_loud_sound_beyond_full_scale_is_heard_all_the_same(demo):
    sound = audio_files.read(demo / "demo.flac", RATE)[: 10 * RATE]
    quiet = [d.event.keyword for d in Spotter.load().feed(sound) if d.event]
    loud = [d.event.keyword for d in Spotter.load().feed(sound * 4) if d.event]
    assert quiet
    assert loud == quiet


def test_the_demo_is_what_its_script_says(demo, script):
    with soundfile.SoundFile(demo / "demo.flac") as file:
        assert (file.samplerate, file.channels) == (RATE, 1)
        assert file.frames / RATE > script[-1]["end_s"]
