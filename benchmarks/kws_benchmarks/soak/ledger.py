"""Expected events, received events, and the difference."""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kws_device import Event, Manifest
from kws_device.model.manifest import KEYWORD_HEAD

from .sound import Loss

_TOLERANCE_S = 1.0
"""An event that is further off its time is another one."""


@dataclass(frozen=True)
class Expected:
    """An event that a short run of the same sound brought."""

    keyword: str
    end_s: float


class Ledger:
    """Counts for one spotter from its start; take its decisions in order of time.

    An event that a loss of sound could have changed is neither expected nor strange.
    """

    def __init__(self, manifest: Manifest, losses: Sequence[Loss]) -> None:
        """`losses` are in order of time and do not overlap."""
        head = manifest.head(KEYWORD_HEAD)
        step_s = manifest.decoder.decision_ms / 1000
        self._memory_s = manifest.front_end.clip_ms / 1000 + (head.smoothing_s if head else 0) + step_s
        self._losses = losses
        self._ends_s = [loss.end_s for loss in losses]
        self._waiting: deque[Expected] = deque()
        self.expected = self.lost = self.strange = self.masked = 0
        self.drift_s = 0.0
        """Of the events that were heard, the largest distance from their times."""

    def expect(self, events: Iterable[Expected]) -> None:
        """Add what should be heard, in order of time and at least a second before it is."""
        for event in events:
            if self._is_masked(event.end_s):
                self.masked += 1
            else:
                self.expected += 1
                self._waiting.append(event)

    def hear(self, event: Event) -> None:
        """Settle an event with the expected one that it must be."""
        for expected in self._waiting:
            off_s = abs(event.end_s - expected.end_s)
            if expected.keyword == event.keyword and off_s <= _TOLERANCE_S:
                self._waiting.remove(expected)
                self.drift_s = max(self.drift_s, off_s)
                return
        if not self._is_masked(event.end_s):
            self.strange += 1

    def pass_time(self, now_s: float) -> None:
        """Give up on what should have been heard long ago."""
        while self._waiting and self._waiting[0].end_s < now_s - _TOLERANCE_S:
            self._waiting.popleft()
            self.lost += 1

    def close(self) -> None:
        """The sound has ended: what still waits was lost."""
        self.pass_time(float("inf"))

    def _is_masked(self, end_s: float) -> bool:
        """Whether a decision at this time looks at, or is smoothed over, sound that was lost."""
        i = bisect.bisect_left(self._ends_s, end_s - self._memory_s)
        return i < len(self._losses) and self._losses[i].start_s <= end_s
