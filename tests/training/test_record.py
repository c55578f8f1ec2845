"""Takes from a microphone and from long recordings: what is kept, what is refused, and what is told."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import soundfile
from helpers import one_line_refusal

from kws_device import InputError, audio_files
from kws_device.sources import LISTENING
from kws_device.takes.find import find_repeats
from kws_device.takes.record import judge
from kws_training.data.import_takes import import_takes
from kws_training.data.layouts import read_dataset
from kws_training.data.record import Plan, record, unlike
from kws_training.data.take_files import TakeFolder, check_word

RATE = 16000
TAKE_S = 2.5


def word(rng, first_hz=400.0, last_hz=1600.0, seconds=0.5):
    n = round(seconds * RATE)
    hz = np.linspace(first_hz, last_hz, n) * rng.uniform(0.95, 1.05)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / RATE) * np.hanning(n)).astype(np.float32)


def quiet(rng, seconds, level=1e-3):
    return (level * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


def take(rng, at_s=1.0, gain=1.0, level=1e-3, said=word):
    sound = quiet(rng, TAKE_S, level)
    spoken = gain * said(rng)
    start = round(at_s * RATE)
    n = min(len(spoken), len(sound) - start)
    sound[start : start + n] += spoken[:n]
    return sound


class Played:
    """A microphone that hears the given sounds, in blocks of an odd size, and then delivers nothing."""

    name = "a test"
    audio_s = lost_s = 0.0
    state = LISTENING

    def __init__(self, *sounds):
        self._sound = np.concatenate([*sounds, np.zeros(0, np.float32)])

    def blocks(self, sample_rate_hz):
        assert sample_rate_hz == RATE
        for start in range(0, len(self._sound), 731):
            yield self._sound[start : start + 731]


def session(*takes):
    """What a microphone hears: a moment of prompt before each take."""
    rng = np.random.default_rng(9)
    return Played(*itertools.chain.from_iterable((quiet(rng, 0.4), each) for each in takes))


def test_a_good_take_is_told_its_level_and_its_distance_from_the_noise():
    verdict = judge(take(np.random.default_rng(0)), RATE)
    assert verdict.found is not None
    assert abs(verdict.found.start / RATE - 1.0) < 0.2
    assert verdict.text.startswith("good: -1")
    assert verdict.text.endswith(" dB over the noise")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"gain": 8.0}, "too loud, it clips"),
        ({"gain": 0.0}, "no word heard"),
        ({"at_s": 0.0}, "cut off"),
        ({"at_s": 2.2}, "cut off"),
        ({"level": 0.08}, "over the noise"),
        ({"gain": 0.01, "level": 1e-5}, "too quiet"),
    ],
)
def test_a_take_that_cannot_be_used_is_told_why(changes, told):
    verdict = judge(np.clip(take(np.random.default_rng(1), **changes), -1, 1), RATE)
    assert verdict.found is None
    assert told in verdict.text


def test_a_muted_microphone_ends_the_session_in_one_line():
    with pytest.raises(InputError, match="silence; see that it is plugged in and not muted"):
        judge(np.zeros(round(TAKE_S * RATE), np.float32), RATE)


def test_words_are_asked_for_in_turn_bad_takes_again_and_each_is_written_with_its_word_inside(tmp_path):
    rng = np.random.default_rng(2)
    other = lambda rng: word(rng, 2000, 500)  # noqa: E731
    takes = [take(rng), take(rng, said=other), take(rng, gain=0.0), take(rng), take(rng, said=other)]
    told = []
    folder = TakeFolder(tmp_path, "anna")
    new = record(Plan(("cat", "happy"), 2, TAKE_S, 0.0), folder, session(*takes), told.append)
    assert [path.relative_to(tmp_path).as_posix() for path in new] == [
        "cat/anna_001.flac",
        "happy/anna_001.flac",
        "cat/anna_002.flac",
        "happy/anna_002.flac",
    ]
    assert [line.split("  say")[0] for line in told if "say:" in line] == [
        "cat  1/2",
        "happy  1/2",
        "cat  2/2",
        "cat  2/2",
        "happy  2/2",
    ]
    for path in new:
        sound, rate = soundfile.read(path, dtype="float32")
        assert rate == RATE
        assert 0.8 < len(sound) / RATE < 1.4
        assert judge(np.pad(sound, RATE // 4), RATE).found is not None


def test_the_noise_of_the_room_comes_first_and_is_background_for_training(tmp_path):
    rng = np.random.default_rng(3)
    room = quiet(rng, 3.0, 0.01)
    source = Played(room, quiet(rng, 0.4), take(rng))
    record(Plan(("cat",), 1, TAKE_S, 3.0), TakeFolder(tmp_path, None), source, lambda text: None)
    [path] = read_dataset(tmp_path).background
    assert np.allclose(audio_files.read(path, RATE), room, atol=1e-4)
    assert [clip.label for clip in read_dataset(tmp_path).clips] == ["cat"]


def test_an_interrupted_session_goes_on_where_it_was(tmp_path):
    rng = np.random.default_rng(4)
    plan = Plan(("cat",), 3, TAKE_S, 0.0)
    with pytest.raises(InputError, match="delivers no sound"):
        record(plan, TakeFolder(tmp_path, None), session(take(rng), take(rng)), lambda text: None)
    assert len(TakeFolder(tmp_path, None).takes("cat")) == 2
    told = []
    [last] = record(plan, TakeFolder(tmp_path, None), session(take(rng)), told.append)
    assert last.name == "take003.flac"
    assert told[0] == "cat  3/3  say: cat"
    assert record(plan, TakeFolder(tmp_path, None), session(), told.append) == []
    assert "all takes are there" in told[-1]


def test_five_bad_takes_in_a_row_end_the_session_with_the_reason(tmp_path):
    rng = np.random.default_rng(5)
    bad = [take(rng, gain=0.0) for _ in range(5)]
    with pytest.raises(InputError, match=r"cat: 5 takes in a row .*no word heard"):
        record(Plan(("cat",), 1, TAKE_S, 0.0), TakeFolder(tmp_path, None), session(*bad), lambda text: None)
    assert list(tmp_path.iterdir()) == []


def test_a_take_of_something_else_is_pointed_out(tmp_path):
    rng = np.random.default_rng(6)
    folder = TakeFolder(tmp_path, None)
    takes = [take(rng) for _ in range(6)]
    takes[3] = take(rng, said=lambda rng: word(rng, 3000, 900, 0.3))
    record(Plan(("cat",), 6, TAKE_S, 0.0), folder, session(*takes), lambda text: None)
    assert [path.name for path in unlike(folder, "cat")] == ["take004.flac"]
    assert unlike(folder, "happy") == []


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "_x", "x" * 60, "a\x1b[J"])
def test_a_word_that_is_no_folders_name_is_refused(name):
    with pytest.raises(InputError, match="no word for a folder's name"):
        check_word(name)


@pytest.mark.parametrize("name", ["anna_b", "../x", "", "a b", "x" * 60])
def test_a_speaker_that_is_no_part_of_a_files_name_is_refused(name, tmp_path):
    with pytest.raises(InputError, match="--speaker"):
        TakeFolder(tmp_path, name)


def long_recording(rng, count, disturb=0):
    """A word said again and again, and sounds that are none; where the words begin, in seconds."""
    parts, starts = [quiet(rng, 1.0)], []
    for i in range(count):
        starts.append(sum(map(len, parts)) / RATE)
        parts += [word(rng, seconds=rng.uniform(0.4, 0.6)), quiet(rng, rng.uniform(0.7, 2.0))]
        if i < disturb:
            knock = rng.standard_normal(RATE // 4).astype(np.float32) * 0.2
            parts += [knock * np.hanning(RATE // 4).astype(np.float32), quiet(rng, 0.8)]
    return np.concatenate(parts).astype(np.float32), starts


def test_every_time_that_a_word_is_said_is_found_and_other_sounds_are_left_out():
    rng = np.random.default_rng(7)
    made = [long_recording(rng, 15, disturb=4), long_recording(rng, 10)]
    found, others = find_repeats([sound for sound, _ in made], RATE)
    assert others == 4
    for (_, starts), own in zip(made, found, strict=True):
        assert np.allclose([each.start / RATE for each in own], starts, atol=0.2)


@pytest.mark.parametrize("sounds", [[], [np.zeros(0)], [np.zeros(RATE)], [np.zeros(10), np.zeros(RATE)]])
def test_nothing_is_found_in_silence(sounds):
    found, others = find_repeats([sound.astype(np.float32) for sound in sounds], RATE)
    assert found == [[] for _ in sounds]
    assert others == 0


def test_takes_of_real_words_are_cut_from_one_long_recording(data, tmp_path):
    """What a phone records: one speaker after the other here, which is harder."""
    rng = np.random.default_rng(8)
    paths = sorted((data / "speech_commands_mini" / "happy").glob("*.ogg"))[:40]
    parts = [quiet(rng, 1.0, 1e-4)]
    for path in paths:
        sound = audio_files.read(path, RATE)
        parts += [0.3 * sound / np.abs(sound).max(), quiet(rng, 0.8, 1e-4)]
    soundfile.write(tmp_path / "happy_many.wav", np.concatenate(parts), RATE)
    told = []
    count = import_takes([tmp_path / "happy_many.wav"], tmp_path / "words", None, None, told.append)
    assert count >= 32
    assert told[0].startswith(f"happy by many: {count} takes")
    written = sorted((tmp_path / "words" / "happy").iterdir())
    assert [path.name for path in written[:2]] == ["many_001.flac", "many_002.flac"]
    assert len(written) == count


def test_names_tell_words_and_speakers_and_options_come_first(tmp_path, command):
    rng = np.random.default_rng(10)
    for name in ("cat.wav", "cat_bob.flac", "happy_bob.wav"):
        soundfile.write(tmp_path / name, long_recording(rng, 6)[0], RATE)
    files = sorted(tmp_path.glob("*.*"))
    command("kws-data", "import", *files, "--out", tmp_path / "words")
    made = sorted(
        path.relative_to(tmp_path / "words").as_posix() for path in (tmp_path / "words").rglob("*.flac")
    )
    assert made == [
        *(f"cat/bob_{i:03d}.flac" for i in range(1, 7)),
        *(f"cat/take{i:03d}.flac" for i in range(1, 7)),
        *(f"happy/bob_{i:03d}.flac" for i in range(1, 7)),
    ]
    command("kws-data", "import", files[0], "--word", "dog", "--speaker", "eve", "--out", tmp_path / "words")
    assert len(list((tmp_path / "words" / "dog").glob("eve_*.flac"))) == 6
    command("kws-data", "import", files[0], "--word", "dog", "--speaker", "eve", "--out", tmp_path / "words")
    assert len(list((tmp_path / "words" / "dog").glob("eve_*.flac"))) == 12


def test_one_bad_file_means_that_nothing_is_written(tmp_path, command):
    rng = np.random.default_rng(11)
    soundfile.write(tmp_path / "cat.wav", long_recording(rng, 6)[0], RATE)
    soundfile.write(tmp_path / "dog.wav", quiet(rng, 5.0), RATE)
    (tmp_path / "fox.wav").write_text("no sound")
    for bad, words in (("dog.wav", ("dog.wav", "is not found in it")), ("fox.wav", ("fox.wav",))):
        result = command(
            "kws-data", "import", tmp_path / "cat.wav", tmp_path / bad, "--out", tmp_path / "out", check=False
        )
        one_line_refusal(result, *words)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["cat", "--takes", "0"], ["--takes 0", "at least 1"]),
        (["cat", "--seconds", "0.2"], ["--seconds 0.2", "between 1 and 60"]),
        (["cat", "--room", "nan"], ["--room nan", "between 0 and 60"]),
        (["../cat"], ["no word for a folder's name"]),
        (["cat", "--speaker", "a_b"], ["--speaker a_b"]),
    ],
)
def test_bad_options_are_one_line_and_make_no_folder(options, words, tmp_path, command):
    result = command("kws-data", "record", *options, "--out", tmp_path / "out", check=False)
    one_line_refusal(result, *words)
    assert not (tmp_path / "out").exists()
