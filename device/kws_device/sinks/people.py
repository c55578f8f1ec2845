"""Lines and a level meter for people."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

import numpy as np

from ..events import Decision, Event
from ..manifest import KEYWORD_HEAD, SCENE_HEAD
from ..sources import AudioSource
from ..spotter import Spotter
from .sink import Sink

_REDRAW_S = 0.1
_METER_FLOOR_DBFS = -60.0
_METER_WIDTH = 24


class Lines(Sink):
    """A line for each event and, on a terminal, a level meter with the scene below them."""

    def __init__(self, events: TextIO, meter: TextIO) -> None:
        self._events = events
        self._meter = meter if meter.isatty() else None
        self._drawn_s = 0.0

    def decided(self, decision: Decision, spotter: Spotter, source: AudioSource) -> None:
        """See Sink."""
        if decision.event is not None:
            self._clear()
            print(_sentence(decision.event), file=self._events, flush=True)
        now = time.monotonic()
        if self._meter is not None and now - self._drawn_s >= _REDRAW_S:
            self._drawn_s = now
            self._meter.write(f"\r\x1b[K{_meter(decision, spotter)}")
            self._meter.flush()

    def noted(self, text: str) -> None:
        """See Sink."""
        self._clear()
        print(text, file=sys.stderr, flush=True)

    def finished(self, summary: dict[str, Any]) -> None:
        """See Sink."""
        self._clear()
        lost = f", {summary['lost_s']:.1f} s lost" if summary["lost_s"] else ""
        print(
            f"{summary['audio_s']:.1f} s of sound, {summary['decisions']} decisions, "
            f"{summary['cpu_s']:.2f} s of CPU{lost}",
            file=sys.stderr,
        )

    def _clear(self) -> None:
        if self._meter is not None:
            self._meter.write("\r\x1b[K")
            self._meter.flush()


def _sentence(event: Event) -> str:
    scene = f"  scene: {event.scene} {event.scene_score:.2f}" if event.scene is not None else ""
    return f"{event.end_s:8.1f} s  {event.keyword:<12} {event.score:.2f}{scene}"


def _meter(decision: Decision, spotter: Spotter) -> str:
    step = round(spotter.manifest.decoder.decision_ms / 1000 * spotter.manifest.front_end.sample_rate_hz)
    newest = spotter.clip()[-step:]
    with np.errstate(divide="ignore"):
        level_dbfs = 10 * np.log10(np.mean(np.square(newest, dtype=np.float64)))
    filled = round(_METER_WIDTH * min(1.0, max(0.0, 1 - level_dbfs / _METER_FLOOR_DBFS)))
    parts = [f"{decision.end_s:8.1f} s  [{'#' * filled:<{_METER_WIDTH}}]"]
    for name in (KEYWORD_HEAD, SCENE_HEAD):
        head = spotter.manifest.head(name)
        if head is not None:
            best = int(decision.scores[name].argmax())
            parts.append(f"{head.labels[best]:<14} {decision.scores[name][best]:.2f}")
    return "  ".join(parts)
