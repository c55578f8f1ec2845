"""kws-data voices: words by espeak-ng and flite, the same ones for the same seed, whole or not there."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import soundfile
from helpers import level_dbfs, one_line_refusal

from kws_device import InputError
from kws_training.cli import schemes
from kws_training.data import tts
from kws_training.data.layouts import read_dataset

KEYWORDS = schemes.load("default").keywords


@pytest.fixture
def programs():
    """Or a skip that says which is missing."""
    for program in ("espeak-ng", "flite"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed; run: sudo apt install {program}")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.flac")}


def test_a_seed_names_the_same_recordings_always(programs, tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        tts.make(tmp_path / name, ["yes", "no"], 6, ["yes", "town"], 3, seed)
    one, again, other = (contents(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert set(one).isdisjoint(other)
    words = [clip.label for clip in read_dataset(tmp_path / "one").clips]
    assert {word: words.count(word) for word in set(words)} == {"yes": 6, "no": 6, "town": 3}


def test_what_is_said_is_a_word_without_silence_at_one_level(programs):
    rng = np.random.default_rng(3)
    said = [tts.say("left", tts.random_voice(rng)) for _ in range(20)]
    assert all(0.1 <= len(sound) / tts.SAMPLE_RATE_HZ <= 1.2 for sound in said)
    assert [level_dbfs(sound) for sound in said] == pytest.approx([-26.0] * 20, abs=0.5)
    assert len({len(sound) for sound in said}) > 10


def test_every_speaker_that_can_be_chosen_is_there(programs):
    """espeak-ng says nothing where it does not know one, and takes another."""
    voice = ("espeak-ng", "-w", "FILE", "-v")
    speakers = [f"en-us+{name}".removesuffix("+") for name in tts._ESPEAK_SPEAKERS]
    accents = list(dict.fromkeys(tts._ESPEAK_ACCENTS))
    said = [tts.say("right", tts.Voice(name, (*voice, name, "WORD"))) for name in speakers + accents[1:]]
    assert len({sound.tobytes() for sound in said}) == len(set(speakers + accents[1:]))


def test_a_sentence_is_no_word(programs):
    voice = tts.Voice("slow", ("espeak-ng", "-s", "100", "-w", "FILE", "WORD"))
    assert tts.say("not a single word but many", voice) is None


def test_no_other_word_is_a_keyword_or_one_that_is_measured_unheard():
    others = tts.other_words()
    assert len(others) == len(set(others)) == 1136
    # As they are, and as words that are pronounced as they are.
    assert not set(others) & {*KEYWORDS, "know", "write", "rite", "wright", "on", "off", "of"}
    assert not [word for word in others if word.endswith(("off", "ough")) and word not in VOWELS_OF_ROUGH]


VOWELS_OF_ROUGH = {"dough", "enough", "rough", "though"}
"""End in `ough` and do not rhyme with *off*."""


def test_bad_input_is_one_clear_line(command, tmp_path):
    mine = tmp_path / "mine.wav"
    mine.write_bytes(b"")
    one_line_refusal(command("kws-data", "voices", tmp_path), "is there already")
    one_line_refusal(command("kws-data", "voices", mine), "is there already")
    one_line_refusal(
        command("kws-data", "voices", tmp_path / "said", "--voices", "-1"), "--voices", "at least 0"
    )
    assert list(tmp_path.iterdir()) == [mine]


def test_half_a_folder_is_never_left(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="apt install espeak-ng flite"):
        tts.make(tmp_path / "said", ["yes"], 3, [], 0, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["-x", "../up", "", "a/b"])
def test_what_no_voice_can_say_is_refused(word, tmp_path):
    with pytest.raises(InputError, match="not a word"):
        tts.make(tmp_path / "said", [word], 1, [], 0, 1)


def test_the_command_says_what_to_do_next(programs, command, tmp_path):
    folder = tmp_path / "said"
    result = command(
        "kws-data", "voices", folder, "--keywords", "kettle, lamp", "--voices", "2", "--others", "0"
    )
    assert result.returncode == 0
    assert f"{folder}: 4 recordings; next: kws-train" in result.stderr
    sound, rate = soundfile.read(next(folder.rglob("*.flac")))
    assert (rate, sound.ndim) == (16000, 1)
