"""kws-data mine: which stretches it keeps, which it masks, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import first_network, one_line_refusal

from kws_device import AudioFile, InputError, Spotter, audio_files
from kws_device.model import model_file
from kws_device.model.engine import load_engine
from kws_device.model.manifest_parts import ArmingConfig
from kws_training.data.masks import Masks, Said, covers, keywords_in
from kws_training.data.mined import BEFORE_S, BEHIND_S, read_mined, read_table
from kws_training.mining.mine import Plan, mine
from kws_training.mining.opinion import Whisper, said_in

RATE = 16000
KEYWORDS = ("yes", "no", "up", "down", "left", "right", "stop", "go")


@pytest.fixture(scope="module")
def sound(demo, tmp_path_factory) -> Path:
    """The demo in two recordings by two speakers, and a silent one."""
    folder = tmp_path_factory.mktemp("mining") / "sound"
    folder.mkdir()
    samples = audio_files.read(demo / "demo.flac", RATE)
    half = len(samples) // 2
    soundfile.write(folder / "ann_1.flac", samples[:half], RATE)
    soundfile.write(folder / "ben_1.flac", samples[half:], RATE)
    soundfile.write(folder / "cat_1.wav", np.zeros(2 * RATE), RATE)
    return folder


@pytest.fixture(scope="module")
def mined(sound, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("mined") / "out"
    mine(Plan(None, (sound,), split="all"), out, jobs=1)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_it_keeps_where_the_device_would_fire_at_lower_thresholds(sound, mined):
    file = first_network()
    decoder = replace(file.manifest.decoder, thresholds=dict.fromkeys(KEYWORDS, 0.3), scene_thresholds={})
    spotter = Spotter(replace(file.manifest, decoder=decoder), load_engine(file))
    events = [
        (f"sound/{path.name}", event.end_s, event.keyword, event.score)
        for path in sorted(sound.iterdir())
        for event in spotter.listen(AudioFile(path))
    ]
    rows = read_table(mined)
    assert len(rows) >= 8
    assert [(row.recording, row.end_s, row.word) for row in rows] == [event[:3] for event in events]
    assert all(
        row.score >= event[3] and row.peak_s >= row.end_s for row, event in zip(rows, events, strict=True)
    )
    assert any(row.score > event[3] for row, event in zip(rows, events, strict=True))


def test_a_verifier_has_no_say_in_what_is_mined(sound, mined, verified, tmp_path):
    smoothing_s = first_network().manifest.head("keyword").smoothing_s
    plan = Plan(verified / "kws.tflite", (sound,), smoothing_s=smoothing_s, split="all")
    mine(plan, tmp_path / "out", jobs=1)
    assert read_table(tmp_path / "out") == read_table(mined)


def test_commands_are_mined_without_a_word_that_arms_them(sound, mined, shipped, tmp_path):
    file = model_file.read(shipped)
    armed = file.manifest.with_arming(ArmingConfig("left", 1.0, ("yes", "no", "up"), {}))
    model_file.write(tmp_path / "armed.tflite", file.model, armed, file.verifier)
    mine(Plan(tmp_path / "armed.tflite", (sound,), split="all"), tmp_path / "out", jobs=1)
    assert read_table(tmp_path / "out") == read_table(mined)


def test_a_stretch_is_the_sound_around_its_decision(sound, mined):
    for row in read_table(mined):
        stretch = audio_files.read(mined / row.file, RATE)
        recording = audio_files.read(sound.parent / row.recording, RATE)
        first = round((row.end_s - row.at_s) * RATE)
        last = round((row.end_s + BEHIND_S) * RATE)
        assert row.at_s == min(row.end_s, BEFORE_S)
        assert np.allclose(stretch, recording[first:last], atol=1e-4)


def test_stretches_are_for_their_owner_alone(mined):
    assert mined.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (mined / "stretches").iterdir())


def test_several_processes_find_the_same_to_the_byte(sound, mined, tmp_path):
    mine(Plan(None, (sound,), split="all"), tmp_path / "out", jobs=2)
    assert contents(tmp_path / "out") == contents(mined)


def test_an_interrupted_run_is_taken_up_and_ends_the_same(sound, mined, tmp_path, monkeypatch):
    out = tmp_path / "out"
    heard = []

    def interrupted(self, path):
        if heard:
            raise KeyboardInterrupt
        heard.append(path)
        return original(self, path)

    from kws_training.mining.candidates import Listener

    original = Listener.hear
    monkeypatch.setattr(Listener, "hear", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mine(Plan(None, (sound,), split="all"), out, jobs=1)
    assert not (out / "mined.csv").exists()
    again = []
    monkeypatch.setattr(Listener, "hear", lambda self, path: (again.append(path), original(self, path))[1])
    with pytest.raises(InputError, match="another run"):
        mine(Plan(None, (sound,), near=0.4, split="all"), out, jobs=1)
    mine(Plan(None, (sound,), split="all"), out, jobs=1)
    assert set(again) == set(sound.iterdir()) - set(heard)
    assert contents(out) == contents(mined)


def test_what_transcripts_and_tables_say_is_masked(sound, mined, tmp_path):
    shutil.copytree(sound, tmp_path / "sound")
    (tmp_path / "sound" / "all.trans.txt").write_text("ann_1 YES AND NO\n")
    left = next(row for row in read_table(mined) if row.word == "left")
    table = tmp_path / "said.csv"
    table.write_text(
        f"recording,start_s,end_s,word,why\n{left.recording},{left.end_s - 1},{left.end_s - 0.3},left,heard\n"
        "elsewhere/ann_1.flac,0,60,up,not this one\n"
    )
    out = tmp_path / "out"
    summary = mine(Plan(None, (tmp_path / "sound",), split="all", masks=(table,)), out, jobs=1)
    kept = [(row.recording, row.word) for row in read_table(out)]
    assert not {("sound/ann_1.flac", "yes"), ("sound/ann_1.flac", "no"), (left.recording, "left")} & set(kept)
    assert ("sound/ann_1.flac", "up") in kept
    assert summary["masked"] == len(read_table(mined)) - len(kept) == summary["found"] - summary["kept"]
    known = Masks.read(out / "masks.csv")
    assert covers(known.of(tmp_path / "sound" / "ann_1.flac"), "no", 3.0)
    assert not covers(known.of(tmp_path / "sound" / "ben_1.flac"), "no", 3.0)


class Hears:
    """A transcriber that hears `word` wherever there is sound, 2.5 s after a stretch begins."""

    def __init__(self, word):
        self.word, self.asked = word, 0

    def words(self, samples):
        self.asked += 1
        return [Said("and", 2.0, 2.4), Said(f" {self.word.title()}.", 2.5, 2.9)]


def test_a_second_opinion_takes_out_the_word_it_hears(sound, mined, tmp_path):
    out, opinion = tmp_path / "out", Hears("up")
    summary = mine(Plan(None, (sound,), split="all"), out, jobs=1, opinion=opinion)
    late = [row for row in read_table(mined) if row.at_s >= 2.2]
    assert any(row.word == "up" for row in late)
    assert opinion.asked == len(read_table(mined))
    assert not any(row.word == "up" and row.at_s >= 2.2 for row in read_table(out))
    assert summary["kept"] == len(read_table(out)) == len(list((out / "stretches").iterdir()))
    with (out / "masks.csv").open() as file:
        said = list(csv.DictReader(file))
    assert {row["word"] for row in said} == {"up"}


def test_words_of_a_transcript_are_compared_as_people_write_them():
    words = [Said("Hello,", 0, 1), Said(" Smart", 1, 2), Said(" mirror!", 2, 3)]
    assert said_in(words, "smart_mirror") == [Said("smart_mirror", 1, 3)]
    assert said_in(words, "mirror_smart") == []
    assert keywords_in("I know he said no.", ("no", "know", "now")) == ["no", "know"]


def test_the_nearest_to_firing_are_kept_where_not_all_may_be(sound, mined, tmp_path):
    best = max(read_table(mined), key=lambda row: row.score)
    summary = mine(Plan(None, (sound,), split="all", most=1), tmp_path / "one", jobs=1)
    (row,) = read_table(tmp_path / "one")
    assert (row.recording, row.end_s, row.word) == (best.recording, best.end_s, best.word)
    assert summary["found"] == len(read_table(mined))
    mine(Plan(None, (sound,), split="all", most_mb=0.3), tmp_path / "two", jobs=1)
    assert len(read_table(tmp_path / "two")) == 2


def test_stretches_are_read_for_training(mined, sound):
    stretches = read_mined([mined], KEYWORDS, RATE)
    assert [s.word for s in stretches] == [row.word for row in read_table(mined)]
    first = stretches[0]
    recording = np.concatenate([np.zeros(3 * RATE), audio_files.read(sound / "ann_1.flac", RATE)])
    end = 3 * RATE + round(read_table(mined)[0].end_s * RATE)
    assert np.allclose(first.window(2 * RATE), recording[end - 2 * RATE : end], atol=1e-4)
    assert np.allclose(first.window(RATE, RATE // 2), recording[end - RATE // 2 : end + RATE // 2], atol=1e-4)
    short = read_mined([mined], KEYWORDS, RATE, before_s=1.0, behind_s=0.0)
    assert np.array_equal(short[0].window(RATE), first.window(RATE))
    assert not short[0].window(3 * RATE)[:RATE].any()


def damaged(folder: Path, name: str, change) -> Path:
    path = folder / name
    path.write_text(change(path.read_text()))
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f / "none", "no such folder"),
        (lambda f: (f / "mined.csv").unlink() or f, "let kws-data mine finish it"),
        (lambda f: damaged(f, "mined.csv", lambda t: t.replace("score", "scor")), "damaged"),
        (lambda f: damaged(f, "mined.csv", lambda t: t[: t.index("stretches/00002")]), "damaged"),
        (lambda f: damaged(f, "mined.csv", lambda t: t.replace("stretches/00001", "../../etc/a")), "damaged"),
        (lambda f: damaged(f, "mined.csv", lambda t: t.splitlines()[0]), "no rows"),
        (lambda f: damaged(f, "mined.json", lambda t: t.replace("16000", "8000")), "mined at 8000 Hz"),
        (lambda f: damaged(f, "mined.json", lambda t: t.replace('"yes"', '"oui"')), "hears oui, no, up"),
        (lambda f: damaged(f, "mined.json", lambda t: t[:-20]), "missing or damaged"),
        (lambda f: (f / "stretches" / "00001.flac").unlink() or f, "00001.flac"),
    ],
)
def test_a_mined_folder_that_does_not_fit_is_refused_in_one_line(change, words, mined, tmp_path):
    shutil.copytree(mined, tmp_path / "copy")
    with pytest.raises(InputError, match=words):
        read_mined([change(tmp_path / "copy")], KEYWORDS, RATE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sound", "none"], ["none: no such folder"]),
        (["--sound", "quiet"], ["0.00 hours", "above 0.3", "lower --near"]),
        (["--sound", "sound", "--near", "2"], ["--near 2"]),
        (["--sound", "sound", "--smoothing", "-1"], ["--smoothing"]),
        (["--sound", "sound", "--jobs", "0"], ["--jobs 0"]),
        (["--sound", "sound", "--most", "0"], ["--most"]),
        (["--sound", "quiet", "--split", "test"], ["nothing of it is in the test split"]),
        (["--sound", "sound", "sound"], ["two of the folders have it"]),
        (["--sound", "sound", "--mask", "none.csv"], ["none.csv"]),
        (["--sound", "sound", "--mask", "odd.csv"], ["odd.csv", "column"]),
        (["--sound", "sound", "--mask", "bad.csv"], ["bad.csv", "row 2"]),
        (["--sound", "sound", "--second-opinion", "quiet"], ["model.bin"]),
        (["--sound", "cut"], ["cut.flac"]),
        (["--sound", "sound", "--model", "none"], ["no such model"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, words, sound, tmp_path, command):
    shutil.copytree(sound, tmp_path / "sound")
    (tmp_path / "quiet").mkdir()
    shutil.copy(sound / "cat_1.wav", tmp_path / "quiet")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "cut.flac").write_bytes((sound / "ann_1.flac").read_bytes()[:5000])
    (tmp_path / "odd.csv").write_text("recording,word\n")
    (tmp_path / "bad.csv").write_text("recording,start_s,end_s,word\na.wav,2,1,up\n")
    split = [] if "--split" in arguments else ["--split", "all"]
    result = command("kws-data", "mine", *arguments, *split, "--out", "out", cwd=tmp_path)
    one_line_refusal(result, *words)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_stays_as_it_is(mined, sound, command):
    before = contents(mined)
    one_line_refusal(command("kws-data", "mine", "--sound", sound, "--out", mined), "is there already")
    assert contents(mined) == before


def test_the_summary_is_told_as_json(sound, tmp_path, command):
    result = command(
        "kws-data", "mine", "--sound", sound, "--split", "all", "--out", tmp_path / "o", "--json"
    )
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told == json.loads((tmp_path / "o" / "mined.json").read_text())
    assert told["found"] == told["kept"] == len(read_table(tmp_path / "o"))
    assert told["keywords"] == list(KEYWORDS)


def test_whisper_is_asked_without_the_network_or_told_to_be_missing(tmp_path, monkeypatch):
    (tmp_path / "model.bin").touch()
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(InputError, match="second-opinion"):
        Whisper(tmp_path)
    made = {}

    class WhisperModel:
        def __init__(self, folder, **options):
            made.update(options)

        def transcribe(self, samples, **options):
            word = types.SimpleNamespace(word=" go", start=-0.1, end=0.4)
            return iter([types.SimpleNamespace(words=[word]), types.SimpleNamespace(words=None)]), None

    monkeypatch.setitem(sys.modules, "faster_whisper", types.SimpleNamespace(WhisperModel=WhisperModel))
    assert Whisper(tmp_path).words(np.zeros(RATE, np.float32)) == [Said(" go", 0.0, 0.4)]
    assert made["local_files_only"] is True
