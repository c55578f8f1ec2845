"""The cache of features: the same numbers, sooner, and never those of other files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws_device import InputError, audio_files
from kws_device.front_end import log_mel
from kws_training.cli import schemes
from kws_training.data.layouts import Clip
from kws_training.data.segments import centred
from kws_training.schemes.study import features as module
from kws_training.schemes.study.features import features

RATE = 16000
FRONT_END = schemes.load("run5").front_end
SECOND = FRONT_END.clip_ms


def recorded(path, seconds, seed=0):
    rng = np.random.default_rng(seed)
    soundfile.write(path, 0.1 * rng.standard_normal(round(seconds * RATE)), RATE)
    return Clip(path, "word", "train", path.stem)


@pytest.fixture
def clips(tmp_path):
    """Shorter than a second, a second, longer."""
    return [recorded(tmp_path / f"{n}.wav", s, n) for n, s in enumerate((0.6, 1.0, 1.7, 0.01))]


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch):
    """The files that were read, in any order."""
    seen = []
    real = audio_files.read

    def read(path, rate):
        seen.append(path)
        return real(path, rate)

    monkeypatch.setattr(module.audio_files, "read", read)
    return seen


def computed(clip, at_least_ms=SECOND, front_end=FRONT_END):
    samples = audio_files.read(clip.path, front_end.sample_rate_hz)
    shortest = max(front_end.window_samples, round(front_end.sample_rate_hz * at_least_ms / 1000))
    return log_mel(samples if len(samples) > shortest else centred(samples, shortest), front_end)


def each(found):
    return [np.array(found.clip(i)) for i in range(len(found))]


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(each(found), expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("at_least_ms", [0.0, SECOND])
@pytest.mark.parametrize("variant", schemes.VARIANTS)
def test_features_are_the_front_ends_own_mels_of_each_clip(clips, cache, at_least_ms, variant):
    front_end = schemes.load("run5", variant=variant).front_end
    found = features(clips, front_end, at_least_ms, cache, "speech")
    same(found, [computed(clip, at_least_ms, front_end) for clip in clips])
    assert found.frames.dtype == np.float32


def test_what_was_computed_once_is_not_read_again(clips, cache, reads):
    first = each(features(clips, FRONT_END, SECOND, cache, "speech"))
    assert sorted(reads) == sorted(clip.path for clip in clips)
    reads.clear()
    relabelled = [replace(clip, label="other", split="test") for clip in clips]
    same(features(relabelled, FRONT_END, SECOND, cache, "more speech"), first)
    assert reads == []


def louder(clips):
    """Another recording under the same name, of the same size and time."""
    path = clips[1].path
    before = path.stat()
    recorded(path, 1.0, seed=99)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    return clips


def longer(clips):
    path = clips[1].path
    before = path.stat()
    recorded(path, 1.3, seed=99)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return clips


@pytest.mark.parametrize(
    "change",
    [louder, longer, lambda clips: clips[::-1], lambda clips: clips[:-1]],
    ids=["changed", "longer", "another order", "one less"],
)
def test_other_files_are_computed_anew(clips, cache, reads, change):
    features(clips, FRONT_END, SECOND, cache, "speech")
    reads.clear()
    others = change(clips)
    found = features(others, FRONT_END, SECOND, cache, "speech")
    assert sorted(reads) == sorted(clip.path for clip in others)
    same(found, [computed(clip) for clip in others])


@pytest.mark.parametrize(
    "change",
    [{"hop_ms": 12.5}, {"fmax_hz": 7000.0}, {"top_db": 80.0}, {"centred": False}, {"sample_rate_hz": 8000}],
    ids=str,
)
def test_another_front_end_is_computed_anew(clips, cache, reads, change):
    features(clips, FRONT_END, SECOND, cache, "speech")
    reads.clear()
    other = replace(FRONT_END, **change)
    found = features(clips, other, SECOND, cache, "speech")
    assert len(reads) == len(clips)
    same(found, [computed(clip, SECOND, other) for clip in clips])


def test_clips_that_need_not_be_a_second_long_are_another_matter(clips, cache):
    padded, bare = (features(clips, FRONT_END, least, cache, "scenes") for least in (SECOND, 0.0))
    assert [len(padded.clip(0)), len(bare.clip(0))] == [101, 61]


def test_clips_keep_their_order_whichever_is_ready_first(tmp_path, cache, monkeypatch):
    many = [recorded(tmp_path / f"{n}.wav", 0.03, n) for n in range(300)]
    real = audio_files.read

    def slow_at_first(path, rate):
        time.sleep(0.01 if int(path.stem) % 8 == 0 else 0)
        return real(path, rate)

    monkeypatch.setattr(module.audio_files, "read", slow_at_first)
    same(features(many, FRONT_END, 0.0, cache, "speech"), [computed(clip, 0.0) for clip in many])


def test_features_are_mapped_and_cannot_be_changed_by_mistake(clips, cache):
    found = features(clips, FRONT_END, SECOND, cache, "speech")
    assert isinstance(found.frames, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found.frames[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        found.clip(0)[:] = 1


def test_features_in_memory_are_the_same_and_stay_on_disk_where_memory_is_short(clips, cache, monkeypatch):
    found = features(clips, FRONT_END, SECOND, cache, "speech")
    loaded = found.in_memory()
    assert not isinstance(loaded.frames, np.memmap)
    same(loaded, each(found))
    monkeypatch.setattr(module.os, "sysconf", lambda name: 1)
    assert isinstance(found.in_memory().frames, np.memmap)


def test_a_clip_without_sound_is_named_and_nothing_is_left(clips, cache, tmp_path):
    empty = recorded(tmp_path / "empty.wav", 0)
    with pytest.raises(InputError, match=r"empty\.wav: 0 s long"):
        features([*clips, empty], FRONT_END, SECOND, cache, "speech")
    assert list(cache.iterdir()) == []


def test_a_clip_that_cannot_be_read_is_named_and_nothing_is_left(clips, cache, tmp_path):
    (tmp_path / "text.wav").write_text("this is no sound")
    broken = Clip(tmp_path / "text.wav", "word", "train", "text")
    with pytest.raises(InputError, match=r"text\.wav: not audio"):
        features([*clips, broken], FRONT_END, SECOND, cache, "speech")
    assert list(cache.iterdir()) == []
    same(features(clips, FRONT_END, SECOND, cache, "speech"), [computed(clip) for clip in clips])


def test_a_cache_that_cannot_be_made_is_named(clips, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file.*cannot be written.*--cache"):
        features(clips, FRONT_END, SECOND, tmp_path / "file" / "cache", "speech")


SCRIPT = """
import os, resource, signal, sys
from pathlib import Path
from kws_device import audio_files
from kws_device._support.errors import InputError
from kws_training.cli import schemes
from kws_training.data.layouts import Clip
from kws_training.schemes.study.features import features
def full():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
def killed():
    real = audio_files.read
    def read(path, rate):
        if path.stem == "2":
            os.kill(os.getpid(), signal.SIGKILL)
        return real(path, rate)
    audio_files.read = read
what, cache, *paths = sys.argv[1:]
{"full": full, "killed": killed}[what]()
clips = [Clip(Path(path), "word", "train", path) for path in paths]
try:
    features(clips, schemes.load("run5").front_end, 1000.0, Path(cache), "speech")
except InputError as error:
    sys.exit(str(error))
"""


def elsewhere(what, cache, clips):
    """Compute the features in a process of their own, to which something happens."""
    paths = [clip.path for clip in clips]
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, what, cache, *paths],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TQDM_DISABLE": "1"},
    )


def test_a_full_disk_is_named_and_nothing_is_left(clips, cache):
    result = elsewhere("full", cache, clips)
    assert result.returncode == 1, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{cache}: no room for the features of 4 clips")
    assert "--cache" in line
    assert list(cache.iterdir()) == []
    same(features(clips, FRONT_END, SECOND, cache, "speech"), [computed(clip) for clip in clips])


def test_what_a_killed_process_left_is_not_taken_for_features(clips, cache, reads):
    assert elsewhere("killed", cache, clips).returncode == -9
    (left,) = cache.iterdir()
    found = features(clips, FRONT_END, SECOND, cache, "speech")
    assert len(reads) == len(clips)
    same(found, [computed(clip) for clip in clips])
    assert Path(found.frames.filename).parent != left


def test_two_processes_with_the_same_clips_leave_one_set_of_features(clips, cache, monkeypatch):
    """The quicker one comes to its end while the slower one reads its last clip."""
    real, last = audio_files.read, clips[-1].path
    quicker = []

    def read(path, rate):
        if path == last and not quicker:
            quicker.append(None)
            quicker[0] = features(clips, FRONT_END, SECOND, cache, "speech")
        return real(path, rate)

    monkeypatch.setattr(module.audio_files, "read", read)
    slower = features(clips, FRONT_END, SECOND, cache, "speech")
    expected = [computed(clip) for clip in clips]
    same(slower, expected)
    same(quicker[0], expected)
    assert len(list(cache.iterdir())) == 1


def test_two_processes_that_finish_at_the_same_moment_both_have_their_features(clips, cache, monkeypatch):
    real = Path.rename
    quicker = []

    def rename(self, target):
        if not quicker:
            quicker.append(None)
            features(clips, FRONT_END, SECOND, cache, "speech")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    slower = features(clips, FRONT_END, SECOND, cache, "speech")
    same(slower, [computed(clip) for clip in clips])
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("left", ["half", "nothing"])
def test_features_that_a_power_cut_left_half_written_are_computed_again(clips, cache, left):
    features(clips, FRONT_END, SECOND, cache, "speech")
    (folder,) = cache.iterdir()
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 if left == "half" else 0])
    same(features(clips, FRONT_END, SECOND, cache, "speech"), [computed(clip) for clip in clips])


def test_a_clip_that_is_gone_is_named(clips, cache):
    clips[2].path.unlink()
    with pytest.raises(InputError, match=r"2\.wav"):
        features(clips, FRONT_END, SECOND, cache, "speech")
