"""Saves the sound of every event in a folder."""

from __future__ import annotations

import io
import os
import re
import tempfile
import wave
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support import atomic
from .._support.errors import InputError
from ..events import Clip, Decision, Event
from ..sources import AudioSource
from .rate_limit import RateLimitedNotes
from .sink import Sink
from .worker import Worker

_WAITING = 30
"""Clips of a second that may wait for a slow card: 64 kB each."""
_PATIENCE_S = 5.0
"""So long the end waits for the last clips to be written."""
_LONGEST_KEYWORD = 40
"""In characters; a file's name may have 255 bytes."""
_OWNERS_FILE, _OWNERS_FOLDER = 0o600, 0o700
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z_[\w-]+_\d\.\d{2}\.wav")
_LEFTOVER = re.compile(r"\.\d{8}T\d{6}\.\d{6}Z_[\w-]+_\d\.\d{2}-\w+\.wav")
"""What a write that was cut short by a power failure leaves (kws_device._support.atomic)."""


class Clips(Sink):
    """Writes a 16-bit wav of the clip that fired, named like 20260506T074501.250000Z_yes_0.97.wav.

    People's speech is in them: only their owner can read them, whatever the umask, and a new folder is
    closed to all others. Only the newest of its own files are kept. A clip that cannot be written is noted,
    and listening goes on.
    """

    def __init__(
        self,
        folder: Path,
        note: Callable[[str], None],
        keep: int = 1000,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        """Raises InputError: the folder cannot be written, or `keep` is below one."""
        if keep < 1:
            raise InputError(f"--keep-clips {keep}: must be at least 1")
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
        self._clock = clock
        self._written: deque[str] = deque(maxlen=keep)
        self._keep = keep
        self._worker = Worker(f"--save-clips {folder}", RateLimitedNotes(note), _WAITING)

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """See Sink."""
        event, clip = decision.event, decision.clip
        if event is not None and clip is not None:
            now = self._clock()
            self._worker.submit(lambda: self._write(now, event, clip))

    def finished(self, summary: dict[str, Any]) -> None:
        """See Sink."""
        self._worker.close(_PATIENCE_S)

    def _write(self, now: datetime, event: Event, clip: Clip) -> None:
        if not self._folder.is_dir():
            # Not made again: where a stick was pulled out, that would fill the card below it.
            raise InputError("the folder is gone; put it back")
        name = self._name(now, event)
        try:
            atomic.write_bytes(self._folder / name, wav(clip.samples, clip.sample_rate_hz), _OWNERS_FILE)
        finally:
            self._prune(name)

    def _name(self, now: datetime, event: Event) -> str:
        keyword = re.sub(r"[^\w-]", "-", event.keyword)[:_LONGEST_KEYWORD] or "-"
        while True:
            name = f"{now:%Y%m%dT%H%M%S.%fZ}_{keyword}_{event.score:.2f}.wav"
            if not (self._folder / name).exists():
                return name
            now += timedelta(microseconds=1)  # the clock was set back to where it has been

    def _prune(self, newest: str) -> None:
        # In the order in which we wrote them: a Pi has no clock of its own, and names after a start
        # without network may be older than those before.
        self._written.append(newest)
        clips = _files(self._folder, _NAME)
        ours = [name for name in self._written if name in clips]
        failure: OSError | None = None
        for name in [*sorted(clips.difference(ours)), *ours][: -self._keep]:
            try:
                (self._folder / name).unlink(missing_ok=True)
            except OSError as error:  # somebody else's, in a folder of many
                failure = error
        if failure is not None:
            raise InputError(f"{failure.filename}: cannot be removed ({failure.strerror}); remove it by hand")


def _files(folder: Path, name: re.Pattern[str]) -> set[str]:
    """The names of the files that are called so; folders and links are not ours."""
    with os.scandir(folder) as entries:
        return {
            entry.name
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
