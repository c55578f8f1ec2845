"""Saves the sound of every event in a folder, and on wish that of near misses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.errors import InputError
from ..events import Clip, Decision
from ..model.manifest import Manifest
from ..near_misses import NearMisses
from ..ring_buffer import Ring
from ..sources import AudioSource
from .clip_folder import ClipFolder
from .rate_limit import RateLimitedNotes
from .sink import Sink
from .worker import Worker

KEEP, KEEP_MB = 1000, 500.0
_WAITING = 30
"""Clips that may wait for a slow card: 64 kB each for a second of sound."""
_PATIENCE_S = 5.0
"""So long the end waits for the last clips to be written."""
_AROUND_S = 0.5
"""Sound that is kept before and after the window of a near miss."""


class Clips(Sink):
    """Writes the sound that the model saw at each event; a clip that cannot be written is noted.

    Of a near miss half a second before and after it is written, too.
    """

    def __init__(
        self,
        folder: Path,
        note: Callable[[str], None],
        keep: int = KEEP,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        near: bool = False,
        keep_mb: float = KEEP_MB,
    ) -> None:
        """Prepare the folder.

        Args:
            folder: of the clips.
            note: takes messages for people.
            keep: so many events at most, and so many near misses.
            clock: tells the time in the names, UTC.
            near: whether near misses are kept, too.
            keep_mb: megabytes of all clips together; near misses are removed first.

        Raises:
            InputError: the folder cannot be written, or nothing is to be kept.
        """
        if keep < 1:
            raise InputError(f"--keep-clips {keep}: must be at least 1")
        if not keep_mb > 0:
            raise InputError(f"--keep-mb {keep_mb:g}: must be more than 0")
        self._folder = ClipFolder(folder, keep, round(keep_mb * 1e6))
        self._clock = clock
        self._worker = Worker(f"--save-clips {folder}", RateLimitedNotes(note), _WAITING)
        self._near = near
        self._recent: _Recent | None = None
        self._source: AudioSource | None = None

    def configured(self, manifest: Manifest, muted: bool) -> None:
        """See Sink."""
        if self._near:
            self._recent = _Recent(manifest, self._recent)

    def heard(self, samples: NDArray[np.float32]) -> None:
        """See Sink."""
        if self._recent is not None:
            self._recent.sound.write(samples)

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """See Sink."""
        event, clip = decision.event, decision.clip
        if event is not None and clip is not None:
            self._submit(event.keyword, event.score, clip)
        recent = self._recent
        if recent is not None:
            if source is not self._source:
                recent.begin()
            for miss in recent.misses.take(decision):
                sound = Clip(recent.sound.read().copy(), recent.rate_hz)
                self._submit(miss.keyword, miss.score, sound, near=True)
        self._source = source

    def finished(self, summary: dict[str, Any]) -> None:
        """See Sink."""
        self._worker.close(_PATIENCE_S)

    def _submit(self, keyword: str, score: float, clip: Clip, near: bool = False) -> None:
        now = self._clock()
        self._worker.submit(lambda: self._folder.add(now, keyword, score, clip, near))


class _Recent:
    """What near misses are made of: the newest sound, and the keywords that are rising."""

    def __init__(self, manifest: Manifest, before: _Recent | None) -> None:
        """`before`: of another configuration, whose sound goes on where the model hears as much."""
        self._manifest = manifest
        self.rate_hz = manifest.front_end.sample_rate_hz
        self.misses = NearMisses(manifest, _AROUND_S)
        length = round(self.rate_hz * (manifest.seen_ms / 1000 + 2 * _AROUND_S))
        self.sound = Ring(length)
        if before is not None and len(before.sound.read()) == length:
            self.sound = before.sound

    def begin(self) -> None:
        """Forget everything but the newest decision's sound: another source begins."""
        step = round(self.rate_hz * self._manifest.decoder.decision_ms / 1000)
        newest = self.sound.read()[-step:].copy()
        self.sound.reset()
        self.sound.write(newest)
        self.misses = NearMisses(self._manifest, _AROUND_S)
