"""A folder of clips: named by time, keyword and score, private, and bounded in number and bytes."""

from __future__ import annotations

import io
import os
import re
import tempfile
import wave
from collections import deque
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .._support import atomic
from .._support.errors import InputError
from ..events import Clip

_LONGEST_KEYWORD = 40
"""In characters; a file's name may have 255 bytes."""
_OWNERS_FILE, _OWNERS_FOLDER = 0o600, 0o700
_NEAR = ".near"
"""Before the suffix of a near miss."""
_STEM = r"\d{8}T\d{6}\.\d{6}Z_[\w-]+_\d\.\d{2}(\.near)?"
_NAME = re.compile(_STEM + r"\.wav")
_LEFTOVER = re.compile(r"\." + _STEM + r"-\w+\.wav")
"""What a write that was cut short by a power failure leaves (kws_device._support.atomic)."""


class ClipFolder:
    """Writes clips as 16-bit wav files, named like 20260506T074501.250000Z_yes_0.97.wav.

    A near miss is named like 20260506T074501.250000Z_yes_0.41.near.wav. People's speech is in these files:
    only their owner can read them, whatever the umask, and a new folder is closed to all others. Only the
    newest files are kept. Files with other names are never touched.
    """

    def __init__(self, folder: Path, keep: int, most_bytes: int) -> None:
        """Make the folder, and remove what an interrupted write has left there.

        Args:
            folder: of the clips; made where it is missing.
            keep: so many events at most, and so many near misses.
            most_bytes: of all clips together; near misses are removed first.

        Raises:
            InputError: the folder cannot be written.
        """
        try:
            if not folder.is_dir():
                folder.mkdir(_OWNERS_FOLDER, parents=True, exist_ok=True)
                folder.chmod(_OWNERS_FOLDER)  # a umask may have taken even that away
            tempfile.TemporaryFile(dir=folder).close()
            for name in _files(folder, _LEFTOVER):
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"--save-clips {folder}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        self._folder = folder
        self._keep = keep
        self._most_bytes = most_bytes
        self._written: deque[str] = deque(maxlen=2 * keep)

    def add(self, now: datetime, keyword: str, score: float, clip: Clip, near: bool = False) -> None:
        """Write a clip, and remove what is too old.

        Args:
            now: the time in its name, UTC.
            keyword: that was heard.
            score: 0 to 1.
            clip: its sound.
            near: whether it is a near miss.

        Raises:
            InputError: the folder is gone, or an old clip cannot be removed.
            OSError: the clip cannot be written.
        """
        if not self._folder.is_dir():
            # Not made again: where a stick was pulled out, that would fill the card below it.
            raise InputError("the folder is gone; put it back")
        name = self._name(now, keyword, score, near)
        try:
            atomic.write_bytes(self._folder / name, wav(clip.samples, clip.sample_rate_hz), _OWNERS_FILE)
        finally:
            self._prune(name)

    def _name(self, now: datetime, keyword: str, score: float, near: bool) -> str:
        keyword = re.sub(r"[^\w-]", "-", keyword)[:_LONGEST_KEYWORD] or "-"
        while True:
            name = f"{now:%Y%m%dT%H%M%S.%fZ}_{keyword}_{score:.2f}{_NEAR if near else ''}.wav"
            if not (self._folder / name).exists():
                return name
            now += timedelta(microseconds=1)  # the clock was set back to where it has been

    def _prune(self, newest: str) -> None:
        # In the order in which we wrote them: a Pi has no clock of its own, and names after a start
        # without network may be older than those before.
        self._written.append(newest)
        sizes = _files(self._folder, _NAME)
        ours = [name for name in self._written if name in sizes]
        oldest_first = [*sorted(sizes.keys() - set(ours)), *ours]
        near = [name for name in oldest_first if _is_near(name)]
        events = [name for name in oldest_first if not _is_near(name)]
        gone = [*near[: -self._keep], *events[: -self._keep]]
        left = sum(sizes.values()) - sum(sizes[name] for name in gone)
        for name in (*near[-self._keep :], *events[-self._keep :]):
            if left <= self._most_bytes:
                break
            if name != newest:
                gone.append(name)
                left -= sizes[name]
        failure: OSError | None = None
        for name in gone:
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError as error:  # somebody else's, in a folder of many
                failure = error
        if failure is not None:
            raise InputError(f"{failure.filename}: cannot be removed ({failure.strerror}); remove it by hand")


def _is_near(name: str) -> bool:
    return Path(name).stem.endswith(_NEAR)


def _files(folder: Path, name: re.Pattern[str]) -> dict[str, int]:
    """The files that are called so, and their bytes; folders and links are not ours."""
    with os.scandir(folder) as entries:
        return {
            entry.name: entry.stat(follow_symlinks=False).st_size
            for entry in entries
            if name.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        }


def wav(samples: NDArray[np.float32], sample_rate_hz: int) -> bytes:
    """A 16-bit wav file of float32 samples, shape (n,); what lies beyond full scale is clipped."""
    pcm = np.clip(np.round(samples * np.float32(32768)), -32768, 32767).astype("<i2")
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate_hz)
        file.writeframes(pcm.tobytes())
    return content.getvalue()
