"""A memory-mapped cache of spectrograms, which is rebuilt when its sources changed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import InputError, audio_files
from kws_device._support import atomic
from kws_device._support.schema import json_text
from kws_device.front_end import MelConfig, log_mel

from ...data.layouts import Clip
from ...data.segments import centred

_VERSION = 1
"""Of what is computed here: to be raised with every change that gives other numbers."""
_FRAMES = "frames.f32"
_ENDS = "ends.npy"
_AT_ONCE = 256
_LITTLE = 0.25
_TEMPORARY = ".features-"


@dataclass(frozen=True)
class Features:
    """Log-mels in dB of a list of clips, one behind the other."""

    frames: NDArray[np.float32]
    """Shape (frames of all clips, mels), read-only: mapped from the cache's file, or in memory."""
    ends: NDArray[np.int64]
    """Where each clip ends, shape (clips,)."""

    def __len__(self) -> int:
        return len(self.ends)

    def clip(self, index: int) -> NDArray[np.float32]:
        """One clip's log-mels, shape (its frames, mels), in dB."""
        start = self.ends[index - 1] if index else 0
        return self.frames[start : self.ends[index]]

    def in_memory(self) -> Features:
        """The same read at one go, where it takes little of the free memory.

        An epoch reads clips in random order, for which a page cache under pressure costs more than
        the training.
        """
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return Features(np.array(self.frames), self.ends) if self.frames.nbytes < _LITTLE * free else self


def default_cache() -> Path:
    """Where features are kept unless told otherwise: the user's cache folder (XDG base directories)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kws-kit"


def features(
    clips: Sequence[Clip], front_end: MelConfig, at_least_ms: float, cache: Path, what: str
) -> Features:
    """The log-mels of clips, from the cache where the very same files were seen with this front end.

    Args:
        clips: at least one, in the order of the result.
        front_end: how they are computed.
        at_least_ms: shorter clips are centred in zeros.
        cache: folder of all caches.
        what: for the progress bar.

    Raises:
        InputError: a clip that cannot be read or is empty, or no room for the cache; nothing is left then.
    """
    folder = cache / _key(clips, front_end, at_least_ms)
    found = _opened(folder, front_end.mels)
    if found is None:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            atomic.clear_abandoned(cache, f"{_TEMPORARY}*")
            temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=cache))
        except OSError as error:
            raise InputError(
                f"{cache}: cannot be written ({error.strerror}); name another folder with --cache"
            ) from error
        try:
            _compute(clips, front_end, at_least_ms, temporary, what)
            shutil.rmtree(folder, ignore_errors=True)  # what a power cut left of it
            # Where another process was quicker with the same, its features serve.
            with contextlib.suppress(FileExistsError):
                _rename(temporary, folder)
        except OSError as error:
            raise InputError(
                f"{cache}: no room for the features of {len(clips)} clips ({error.strerror or error}); "
                "make room, or name another folder with --cache"
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        found = _opened(folder, front_end.mels)
        assert found is not None  # noqa: S101  it was written whole
    return found


def _opened(folder: Path, mels: int) -> Features | None:
    """The features in a folder of the cache; None where there are none, or not all of them."""
    try:
        ends = np.load(folder / _ENDS, allow_pickle=False)
        frames = np.memmap(folder / _FRAMES, np.float32, "r").reshape(-1, mels)
    except (OSError, ValueError, EOFError):
        return None
    return Features(frames, ends) if len(ends) and ends[-1] == len(frames) else None


def _rename(temporary: Path, folder: Path) -> None:
    """Raises FileExistsError where `folder` is there and not empty, on every system."""
    try:
        temporary.rename(folder)
    except OSError as error:
        if folder.is_dir():
            raise FileExistsError(str(folder)) from error
        raise


def _key(clips: Sequence[Clip], front_end: MelConfig, at_least_ms: float) -> str:
    """A name that changes with the front end, and with any file's place, size or time of change."""
    files = []
    for clip in clips:
        try:
            status = clip.path.stat()
        except OSError as error:
            raise InputError(f"{clip.path}: cannot be read ({error.strerror}); copy it again") from error
        files.append([str(clip.path.resolve()), status.st_size, status.st_mtime_ns])
    text = json_text([_VERSION, front_end, at_least_ms, files])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _compute(
    clips: Sequence[Clip], front_end: MelConfig, at_least_ms: float, folder: Path, what: str
) -> None:
    shortest = max(round(front_end.sample_rate_hz * at_least_ms / 1000), front_end.window_samples)

    def one(clip: Clip) -> NDArray[np.float32]:
        samples = audio_files.read(clip.path, front_end.sample_rate_hz)
        if len(samples) == 0:
            raise InputError(f"{clip.path}: 0 s long; record or copy it again, or take it out of the dataset")
        return log_mel(samples if len(samples) >= shortest else centred(samples, shortest), front_end)

    ends, end = [], 0
    with (
        ThreadPoolExecutor() as pool,
        (folder / _FRAMES).open("wb") as file,
        tqdm(total=len(clips), desc=f"{what} features", unit="clip", leave=False) as bar,
    ):
        for start in range(0, len(clips), _AT_ONCE):
            for mels in pool.map(one, clips[start : start + _AT_ONCE]):
                file.write(mels.tobytes())
                end += len(mels)
                ends.append(end)
                bar.update()
    np.save(folder / _ENDS, np.array(ends, dtype=np.int64), allow_pickle=False)
