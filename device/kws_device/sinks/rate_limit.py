"""Limits how often the same note is printed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class RateLimitedNotes:
    """Passes notes on, those of a kind at most once in `every_s` seconds of monotonic time.

    Those withheld are counted; the next one of their kind tells how many there were. May be called
    from any thread.
    """

    def __init__(
        self, note: Callable[[str], None], every_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._note = note
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._told_s: dict[str, float] = {}
        self._withheld: dict[str, int] = {}

    def __call__(self, kind: str, text: str) -> None:
        """Pass on `text`, a note of this kind, or withhold it."""
        with self._lock:
            now_s = self._clock()
            if now_s - self._told_s.get(kind, -float("inf")) < self._every_s:
                self._withheld[kind] = self._withheld.get(kind, 0) + 1
                return
            self._told_s[kind] = now_s
            withheld = self._withheld.pop(kind, 0)
        self._note(f"{text} ({withheld} such notes withheld)" if withheld else text)
