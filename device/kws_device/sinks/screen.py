"""The live screen of kws-listen in a terminal."""

from __future__ import annotations

import atexit
import math
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO

from ..events import Decision
from ..model.manifest import Manifest
from ..sources import LISTENING, AudioSource
from .rate_limit import RateLimitedNotes
from .sink import Sink
from .terminal import BOLD, RED, YELLOW, Line, Terminal
from .text import Lines, account, sentence
from .worker import Worker

_REDRAW_S = 0.1
_RATES_OVER_S = 2.0
"""Decisions and CPU are counted over so long: short enough to follow, long enough to be read."""
_PEAK_HOLD_S = 1.5
_LOUD_DBFS = -1.0
"""A held peak above this is shown in red: it clips, or is about to."""
_FLOOR_DBFS = -60.0
_WIDEST_BAR = 30
_BESIDE_BAR = 30
"""Columns beside a bar: a name of 9, its brackets, a value of 19."""
_WAITING = 1000
"""Lines that may wait for a terminal that was stopped (Ctrl-S) or is slow."""
_PATIENCE_S = 2.0
"""So long the end waits for such a terminal."""


class Screen(Sink):
    """Events scroll; below them a few lines tell, ten times a second, how the listening goes.

    Drawn by a thread of its own, since a terminal that was stopped must not stop the listening.
    """

    def __init__(
        self,
        events: TextIO,
        terminal: TextIO,
        environment: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        """`events` that are no terminal get the plain lines; `terminal` gets all else."""
        self._events_elsewhere = not events.isatty()
        self._lines = Lines(events, terminal)
        self._terminal = Terminal(terminal, environment)
        # The one place to tell of trouble with the terminal is the terminal.
        self._worker = Worker("screen", RateLimitedNotes(lambda text: None), _WAITING)
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._peak = _Peak()
        self._counts: deque[tuple[float, float, int]] = deque()
        """Time, CPU time and decisions at each redraw of the last while."""
        self._decisions = 0
        self._muted = False
        self._drawn_s = -math.inf
        self._drawing = False
        self._ended = False
        # Errors end the program without `finished`, and a hidden cursor would stay hidden.
        atexit.register(self.close)

    def configured(self, manifest: Manifest, muted: bool) -> None:
        """See Sink."""
        self._muted = muted

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """See Sink."""
        self._decisions += 1
        now_s = self._clock()
        self._peak.take(now_s, decision.peak_dbfs)
        if decision.event is not None:
            if self._events_elsewhere:
                self._lines.decided(decision, source)
            else:
                text = sentence(decision.event)
                self._worker.submit(lambda: self._terminal.scroll(text, BOLD))
        if now_s - self._drawn_s < _REDRAW_S or self._drawing:
            return
        decisions_per_s, cpu_percent = self._rates(now_s)
        view = View(
            end_s=decision.end_s,
            source=source.name,
            state=source.state,
            level_dbfs=decision.level_dbfs,
            peak_dbfs=self._peak.dbfs,
            best=tuple(
                (head, decision.labels[head][best], float(scores[best]))
                for head, scores in decision.scores.items()
                for best in [int(scores.argmax())]
            ),
            decisions_per_s=decisions_per_s,
            cpu_percent=cpu_percent,
            lost_s=source.lost_s,
            armed_left_s=decision.armed_left_s,
            muted=self._muted,
        )
        self._drawn_s = now_s
        # Never two in the queue: a terminal that was stopped is not to catch up.
        self._drawing = True
        if not self._worker.submit(lambda: self._draw(view)):
            self._drawing = False

    def noted(self, text: str) -> None:
        """See Sink."""
        if self._ended:
            self._lines.noted(text)
        else:
            self._worker.submit(lambda: self._terminal.scroll(text, YELLOW, whole=True))

    def finished(self, summary: dict[str, Any]) -> None:
        """See Sink."""
        text = account(summary)
        self._worker.submit(lambda: self._terminal.scroll(text, whole=True))
        self.close()

    def close(self) -> None:
        """Give the terminal back as it was; may be called again."""
        atexit.unregister(self.close)
        self._ended = True
        if self._worker.close(_PATIENCE_S):
            with suppress(OSError):  # the terminal is gone, and its cursor with it
                self._terminal.close()

    def _draw(self, view: View) -> None:
        self._drawing = False
        self._terminal.draw(view.lines)

    def _rates(self, now_s: float) -> tuple[float, float]:
        """Decisions a second, and CPU time in percent of one core."""
        self._counts.append((now_s, self._cpu_clock(), self._decisions))
        while now_s - self._counts[0][0] > _RATES_OVER_S:
            self._counts.popleft()
        (then_s, cpu_then_s, then), (_, cpu_s, decisions) = self._counts[0], self._counts[-1]
        if now_s == then_s:
            return 0.0, 0.0
        return (decisions - then) / (now_s - then_s), 100 * (cpu_s - cpu_then_s) / (now_s - then_s)


@dataclass(frozen=True)
class View:
    """What the lines below the events tell."""

    end_s: float
    source: str
    state: str
    level_dbfs: float
    peak_dbfs: float
    best: tuple[tuple[str, str, float], ...]
    """Of each head its name, its best label and that one's score."""
    decisions_per_s: float
    cpu_percent: float
    """Of one core."""
    lost_s: float
    armed_left_s: float | None
    """See Decision."""
    muted: bool = False

    def lines(self, columns: int) -> list[Line]:
        """The block, for a terminal of so many columns."""
        width = max(0, min(_WIDEST_BAR, columns - _BESIDE_BAR))
        listening = self.state == LISTENING
        state = f"{self.state} on {self.source}" if listening else f"{self.state} ({self.source})"
        armed = f"  armed, {self.armed_left_s:.1f} s left" if self.armed_left_s else ""
        muted = "  muted" if self.muted else ""
        level = _bar(_share(self.level_dbfs), width, _share(self.peak_dbfs))
        return [
            Line(
                f"{self.end_s:8.1f} s  {state}{muted}{armed}", "" if listening and not self.muted else YELLOW
            ),
            Line(
                f"{'level':<9}{level} {self.level_dbfs:3.0f} dBFS, peak {self.peak_dbfs:3.0f}",
                RED if self.peak_dbfs > _LOUD_DBFS else "",
            ),
            *(Line(f"{name:<9}{_bar(score, width)} {score:.2f} {label}") for name, label, score in self.best),
            Line(
                f"{self.decisions_per_s:.1f} decisions/s  {self.cpu_percent:.1f} % CPU  "
                f"{self.lost_s:.1f} s lost",
                YELLOW if self.lost_s else "",
            ),
        ]


def for_people(events: TextIO, terminal: TextIO, environment: Mapping[str, str] = os.environ) -> Sink:
    """A screen where there is a terminal that can be drawn on, plain lines elsewhere."""
    if terminal.isatty() and environment.get("TERM", "dumb") not in ("", "dumb"):
        return Screen(events, terminal, environment)
    return Lines(events, terminal)


class _Peak:
    """The highest peak of the last while."""

    def __init__(self) -> None:
        self.dbfs = -math.inf
        self._since_s = -math.inf

    def take(self, now_s: float, dbfs: float) -> None:
        if dbfs >= self.dbfs or now_s - self._since_s > _PEAK_HOLD_S:
            self.dbfs = dbfs
            self._since_s = now_s


def _share(dbfs: float) -> float:
    return 1 - dbfs / _FLOOR_DBFS


def _bar(share: float, width: int, mark: float | None = None) -> str:
    """`width` columns in brackets, the share of them filled, and a mark at a second share if it is given."""
    filled = round(width * min(1.0, max(0.0, share)))
    bar = "#" * filled + " " * (width - filled)
    if mark is not None and filled < (at := min(width, round(width * max(0.0, mark)))):
        bar = bar[: at - 1] + "|" + bar[at:]
    return f"[{bar}]" if width else ""
