"""Not asking the model while the room is silent, and never missing a word by that."""

from __future__ import annotations

import numpy as np
import pytest

from kws_device import Spotter, audio_files

RATE = 16000


class Counting:
    """The real engine, and how often it was asked."""

    def __init__(self, engine):
        self.prepare = engine.prepare
        self._engine = engine
        self.asked = 0

    def run(self, window):
        self.asked += 1
        return self._engine.run(window)


def listen(sound, skip_silence):
    """Events and the share of decisions at which the model was asked."""
    spotter = Spotter.load(skip_silence=skip_silence)
    spotter._engine = engine = Counting(spotter._engine)
    decisions = spotter.feed(sound)
    return [decision.event for decision in decisions if decision.event], engine.asked / len(decisions)


def at(sound, level_dbfs):
    return sound * np.float32(10 ** (level_dbfs / 20) / np.sqrt(np.mean(np.square(sound))))


def as_recorded(sound):
    """16 bit, as every microphone delivers it."""
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.float32) / np.float32(32768)


@pytest.fixture(scope="module")
def words(data):
    folder = data / "speech_commands_mini"
    names = (folder / "validation_list.txt").read_text().split()
    chosen = [name for name in names if name.split("/")[0] in ("yes", "no", "up", "left", "stop", "bed")]
    drawn = np.random.default_rng(7).permutation(len(chosen))[:40]
    return [audio_files.read((folder / chosen[i]).with_suffix(".ogg"), RATE) for i in drawn]


@pytest.mark.parametrize("room", ["hiss", "rain", "city"])
@pytest.mark.parametrize(("room_dbfs", "word_dbfs"), [(-70, -20), (-70, -60), (-60, -60), (-55, -50)])
def test_no_word_is_missed_that_asking_always_would_hear(room, room_dbfs, word_dbfs, words, data):
    rng = np.random.default_rng(3)
    if room == "hiss":
        background = rng.standard_normal(10 * RATE).astype(np.float32)
    else:
        background = audio_files.read(next((data / "noise" / "train").glob(f"{room}.*")), RATE)
    sound = np.resize(at(background, room_dbfs), sum(len(word) + 3 * RATE for word in words))
    start = 0
    for word in words:
        start += int(rng.uniform(1.5, 3) * RATE)
        sound[start : start + len(word)] += at(word, word_dbfs)
        start += len(word)
    sound = as_recorded(sound[: start + RATE])
    wanted, _ = listen(sound, skip_silence=False)
    heard, _ = listen(sound, skip_silence=True)
    assert len(wanted) > 10
    assert [(e.keyword, e.end_s) for e in heard] == [(e.keyword, e.end_s) for e in wanted]


def test_a_silent_room_asks_once_a_second():
    hiss = as_recorded(at(np.random.default_rng(0).standard_normal(120 * RATE).astype(np.float32), -65))
    assert listen(hiss, skip_silence=True)[1] < 0.2
    assert listen(hiss, skip_silence=False)[1] == 1


def test_a_loud_room_is_not_silent_however_steady():
    hiss = as_recorded(at(np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32), -40))
    assert listen(hiss, skip_silence=True)[1] == 1


def test_a_reset_gate_equals_a_new_one():
    hiss = as_recorded(at(np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32), -60))
    used, new = Spotter.load(skip_silence=True), Spotter.load(skip_silence=True)
    used.feed(hiss * 30)
    used.reset()
    for ours, theirs in zip(used.feed(hiss), new.feed(hiss), strict=True):
        assert all(np.array_equal(ours.scores[head], theirs.scores[head]) for head in ours.scores)
