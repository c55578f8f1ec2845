"""Compares the number of received samples with the wall clock, to find how much sound is missing."""

from __future__ import annotations

import math

_WINDOW_S = 3.0
"""Sound over which the least lateness is taken; longer than any stall that is waited for."""
_LOSS_S = 0.02
"""Lateness that stays beyond this is a loss; below it lie jitter and the clocks' difference."""
_DRIFT = 2e-3
"""Two clocks differ by less than this; sound cards by some hundred millionths."""


class SampleClock:
    """Tells lost sound from late sound and from a sound card whose clock is a little off.

    A block may arrive late by any amount, when a thread had to wait, but never early. So the least
    lateness over some seconds says how far the samples are behind: if it moves slowly, the clocks
    differ; if it jumps, sound was lost. All times in seconds; no audio time is kept here, so that
    nothing can drift in a year.
    """

    def __init__(self, now_s: float) -> None:
        """`now_s` is when the first sample was recorded, by a monotonic clock."""
        self._last_s = now_s
        self._late_s = 0.0
        self._usual_s = 0.0
        """The lateness at which nothing is missing."""
        self._away = False
        self._begin_window()

    def _begin_window(self) -> None:
        self._heard_s = 0.0
        self._least_s = math.inf

    def arrived(self, now_s: float, block_s: float, flagged: bool = False) -> float:
        """A block of `block_s` seconds came at `now_s`; returns the seconds lost, as far as now known.

        Whoever delivers silence in their place says so with `filled`. `flagged` means that the
        driver reports a loss right before this block: it is measured at once, and counts as a block
        at least.
        """
        self._advance(now_s)
        self._late_s -= block_s
        self._heard_s += block_s
        self._least_s = min(self._least_s, self._late_s)
        behind_s = self._late_s - self._usual_s
        if self._away:
            self._away = False
            self._begin_window()
            return max(0.0, behind_s)
        if flagged:
            self._begin_window()
            return max(block_s, behind_s)
        if self._heard_s < _WINDOW_S:
            return 0.0
        change_s = self._least_s - self._usual_s
        if change_s > _LOSS_S:
            self._begin_window()
            return change_s
        most_s = _DRIFT * self._heard_s
        self._usual_s += min(max(change_s, -most_s), most_s)
        self._begin_window()
        return 0.0

    def missing(self, now_s: float) -> float:
        """Seconds missing by `now_s` while no sound arrives at all."""
        self._advance(now_s)
        self._away = True
        return max(0.0, self._late_s - self._usual_s)

    def filled(self, silence_s: float) -> None:
        """So many seconds of silence were delivered in place of lost sound."""
        self._late_s -= silence_s

    def _advance(self, now_s: float) -> None:
        self._late_s += now_s - self._last_s
        self._last_s = now_s
