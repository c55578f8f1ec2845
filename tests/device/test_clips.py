"""The sound of every event in a folder: whole, in order, and never more than asked for."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from kws_device import AudioFile, Decision, Event, InputError, Spotter
from kws_device.events import Clip
from kws_device.sinks import Clips
from kws_device.sinks.clip_folder import ClipFolder, wav

RATE = 16000
BEGAN = datetime(2026, 5, 6, 7, 45, 1, 250000, tzinfo=timezone.utc)


class Clock:
    """A second later each time."""

    def __init__(self, began=BEGAN, step=timedelta(seconds=1)):
        self.now = began
        self.step = step

    def __call__(self):
        self.now += self.step
        return self.now - self.step


@pytest.fixture
def unheard():
    """Takes the notes of what must go well: there are none."""
    told = []
    yield told.append
    assert told == []


def fire(clips, keyword="yes", sound=None, score=0.9712):
    event = Event(keyword, score, 1.0, 2.0, None, None)
    samples = np.zeros(RATE, dtype=np.float32) if sound is None else sound
    clips.decided(Decision(2.0, {}, event, clip=Clip(samples, RATE)), None)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_fired_is_what_is_saved(unheard, demo, tmp_path):
    spotter, source = Spotter.load(), AudioFile(demo / "demo.flac")
    clips = Clips(tmp_path / "new" / "clips", unheard)
    fired = []
    for decision in spotter.decisions(source):
        clips.decided(decision, source)
        if decision.event is not None:
            fired.append((decision.event, decision.clip.samples))
    clips.finished({})
    saved = sorted((tmp_path / "new" / "clips").iterdir())
    assert len(saved) == len(fired) > 5
    for path, (event, sound) in zip(saved, fired, strict=True):
        assert path.name.endswith(f"Z_{event.keyword}_{event.score:.2f}.wav")
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (RATE, 1, "PCM_16")
        assert np.array_equal(soundfile.read(path, dtype="float32")[0], sound)


def test_the_name_tells_when_and_what(unheard, tmp_path):
    clips = Clips(tmp_path, unheard, clock=Clock())
    fire(clips)
    fire(clips, "../../up stairs\x1b[J" + "s" * 300)
    fire(clips, "はい")
    clips.finished({})
    assert names(tmp_path) == [
        "20260506T074501.250000Z_yes_0.97.wav",
        "20260506T074502.250000Z_------up-stairs--Jssssssssssssssssssssss_0.97.wav",
        "20260506T074503.250000Z_はい_0.97.wav",
    ]


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=50))
def test_what_is_louder_than_full_scale_is_clipped_and_nothing_else_changes(values):
    import io

    heard = soundfile.read(io.BytesIO(wav(np.array(values, dtype=np.float32), RATE)), dtype="int16")[0]
    expected = [min(32767, max(-32768, round(float(np.float32(v)) * 32768))) for v in values]
    assert heard.tolist() == expected


def test_only_the_newest_are_kept_and_nothing_else_is_touched(unheard, tmp_path):
    foreign = [
        "yes.wav",
        "20260101T000000Z_yes_0.97.wav",
        "20260101T000000.000000Z_yes_0.97.wav.bak",
        "notes",
    ]
    for name in foreign:
        (tmp_path / name).write_text("keep me")
    (tmp_path / "20260101T000000.000000Z_no_0.50.wav").write_text("of an earlier start")
    clips = Clips(tmp_path, unheard, keep=3, clock=Clock())
    for _ in range(5):
        fire(clips)
    clips.finished({})
    ours = [f"20260506T07450{second}.250000Z_yes_0.97.wav" for second in (3, 4, 5)]
    assert names(tmp_path) == sorted([*ours, *foreign])


def test_a_folder_and_a_link_that_look_like_clips_neither_stop_the_pruning_nor_are_touched(unheard, tmp_path):
    clips = tmp_path / "clips"
    folder, link, leftover = (
        clips / name
        for name in (
            "20250101T000000.000000Z_yes_0.97.wav",
            "20250101T000001.000000Z_no_0.97.wav",
            ".20250101T000002.000000Z_no_0.97-a8_x0kd2.wav",
        )
    )
    for made in (folder, leftover):
        made.mkdir(parents=True)
    (tmp_path / "elsewhere.wav").write_text("keep me")
    link.symlink_to(tmp_path / "elsewhere.wav")
    saving = Clips(clips, unheard, keep=2, clock=Clock())
    for _ in range(5):
        fire(saving)
    saving.finished({})
    assert folder.is_dir()
    assert leftover.is_dir()
    assert link.read_text() == "keep me"
    ours = [f"20260506T07450{second}.250000Z_yes_0.97.wav" for second in (4, 5)]
    assert names(clips) == sorted([folder.name, link.name, leftover.name, *ours])


def test_a_clip_that_cannot_be_removed_is_told_and_the_others_are_pruned(tmp_path, monkeypatch):
    told = []
    stays = tmp_path / "20250101T000000.000000Z_yes_0.97.wav"
    stays.write_text("of another user")
    honest = Path.unlink

    def unlink(path, missing_ok=False):
        if path == stays:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(path))
        honest(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    clips = Clips(tmp_path, told.append, keep=2, clock=Clock())
    for _ in range(5):
        fire(clips)
    clips.finished({})
    assert told == [
        f"--save-clips {tmp_path}: {stays}: cannot be removed (Operation not permitted); remove it by hand"
    ]
    assert len(names(tmp_path)) == 3


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_only_their_owner_can_read_the_clips_whatever_the_umask(umask, unheard, tmp_path):
    before = os.umask(umask)
    try:
        clips = Clips(tmp_path / "clips", unheard)
        fire(clips)
        clips.finished({})
    finally:
        os.umask(before)
    assert mode(tmp_path / "clips") == 0o700
    [path] = (tmp_path / "clips").iterdir()
    assert mode(path) == 0o600


def test_a_folder_of_other_things_keeps_its_mode(unheard, tmp_path):
    tmp_path.chmod(0o755)
    clips = Clips(tmp_path, unheard)
    fire(clips)
    clips.finished({})
    assert mode(tmp_path) == 0o755
    [path] = tmp_path.iterdir()
    assert mode(path) == 0o600


def mode(path):
    return path.stat().st_mode & 0o777


def test_a_clock_that_was_set_back_costs_neither_the_newest_clip_nor_an_old_one_of_the_same_time(
    unheard, tmp_path
):
    clips = Clips(tmp_path, unheard, keep=2, clock=Clock(step=timedelta(hours=-1)))
    for keyword in ("yes", "no", "up"):
        fire(clips, keyword)
    clips.finished({})
    assert [name.split("_")[1] for name in names(tmp_path)] == ["up", "no"]
    again = Clips(tmp_path, unheard, keep=9, clock=Clock(step=timedelta(0)))
    for _ in range(3):
        fire(again)
    again.finished({})
    assert names(tmp_path)[2:] == [f"20260506T074501.25000{i}Z_yes_0.97.wav" for i in range(3)]


def test_what_a_power_failure_left_half_written_is_swept_at_the_next_start(unheard, tmp_path):
    (tmp_path / ".20260506T074501.250000Z_yes_0.97-a8_x0kd2.wav").write_bytes(b"RIFF")
    (tmp_path / ".profile").write_text("not ours")
    Clips(tmp_path, unheard).finished({})
    assert names(tmp_path) == [".profile"]


def test_a_full_disk_is_told_once_and_saving_goes_on_when_there_is_room(tmp_path, monkeypatch):
    told = []
    clips = Clips(tmp_path, told.append, clock=Clock())
    full = threading.Event()
    full.set()
    honest = Path.write_bytes

    def write_bytes(path, content):
        if full.is_set():
            honest(path, content[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return honest(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    for _ in range(3):
        fire(clips)
    until_written(clips)
    assert told == [f"--save-clips {tmp_path}: failed (No space left on device)"]
    assert names(tmp_path) == []
    full.clear()
    fire(clips, "no")
    clips.finished({})
    assert [name.split("_")[1] for name in names(tmp_path)] == ["no"]


def test_a_folder_that_vanished_is_told_and_not_made_again(tmp_path):
    told = []
    clips = Clips(tmp_path / "stick", told.append, clock=Clock())
    shutil.rmtree(tmp_path / "stick")
    fire(clips)
    fire(clips)
    until_written(clips)
    assert told == [f"--save-clips {tmp_path / 'stick'}: the folder is gone; put it back"]
    assert names(tmp_path) == []
    (tmp_path / "stick").mkdir()
    fire(clips)
    clips.finished({})
    assert len(names(tmp_path / "stick")) == 1


def test_a_card_that_hangs_never_holds_the_listening_up(tmp_path, monkeypatch):
    told = []
    go = threading.Event()
    monkeypatch.setattr(Path, "write_bytes", lambda path, content: go.wait(60))
    clips = Clips(tmp_path, told.append)
    for _ in range(100):
        fire(clips)
    assert told == [f"--save-clips {tmp_path}: too slow, so one was left out"]
    go.set()
    clips.finished({})


@pytest.mark.parametrize("place", ["file", "file/clips", "/proc/clips"])
def test_a_folder_that_cannot_be_written_is_refused_at_the_start(place, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"--save-clips .*clips?.*choose another folder|--save-clips .*file"):
        Clips(tmp_path / place, print)


def test_to_keep_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="--keep-clips 0: must be at least 1"):
        Clips(tmp_path, print, keep=0)


def until_written(clips):
    """Wait until all that was submitted so far has been tried."""
    done = threading.Event()
    clips._worker.submit(done.set)
    assert done.wait(60)


def test_more_bytes_than_wanted_cost_the_oldest_near_misses_first_and_then_events(unheard, tmp_path):
    folder = ClipFolder(tmp_path, keep=100, most_bytes=5 * len(wav(np.zeros(RATE), RATE)))
    for i in range(4):
        for near in (False, True):
            clip = Clip(np.zeros(RATE, np.float32), RATE)
            folder.add(BEGAN + timedelta(seconds=2 * i + near), "yes", 0.5, clip, near)
    seconds = [name[13:15] for name in names(tmp_path)]
    assert [name.endswith(".near.wav") for name in names(tmp_path)] == [False, False, False, False, True]
    assert seconds == ["01", "03", "05", "07", "08"]
    for i in range(9):
        folder.add(BEGAN + timedelta(seconds=20 + i), "yes", 0.5, Clip(np.zeros(RATE, np.float32), RATE))
    assert [name[13:15] for name in names(tmp_path)] == ["25", "26", "27", "28", "29"]


def test_events_and_near_misses_are_counted_apart(unheard, tmp_path):
    folder = ClipFolder(tmp_path, keep=2, most_bytes=10**9)
    for i in range(6):
        folder.add(BEGAN + timedelta(seconds=i), "yes", 0.5, Clip(np.zeros(9, np.float32), RATE), i % 2 == 1)
    assert [name[13:15] for name in names(tmp_path)] == ["03", "04", "05", "06"]


def test_the_newest_clip_stays_even_where_it_alone_is_too_large(unheard, tmp_path):
    folder = ClipFolder(tmp_path, keep=2, most_bytes=10)
    for i in range(3):
        folder.add(BEGAN + timedelta(seconds=i), "yes", 0.5, Clip(np.zeros(99, np.float32), RATE))
    assert [name[13:15] for name in names(tmp_path)] == ["03"]
