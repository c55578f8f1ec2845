"""Events and notes as lines of text."""

from __future__ import annotations

from typing import Any, TextIO

from .._support.untrusted_text import printable
from ..events import Decision, Event
from ..sources import AudioSource
from .sink import Sink


class Lines(Sink):
    """A line for each event: for a pipe, a log, or a terminal that can do no more."""

    def __init__(self, events: TextIO, notes: TextIO) -> None:
        self._events = events
        self._notes = notes

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """See Sink."""
        if decision.event is not None:
            print(printable(sentence(decision.event)), file=self._events, flush=True)

    def noted(self, text: str) -> None:
        """See Sink."""
        print(printable(text), file=self._notes, flush=True)

    def finished(self, summary: dict[str, Any]) -> None:
        """See Sink."""
        print(account(summary), file=self._notes, flush=True)


def sentence(event: Event) -> str:
    """An event as people read it."""
    scene = f"  scene: {event.scene} {event.scene_score:.2f}" if event.scene is not None else ""
    return f"{event.end_s:8.1f} s  {event.keyword:<12} {event.score:.2f}{scene}"


def account(summary: dict[str, Any]) -> str:
    """The summary of listening as people read it."""
    lost = f", {summary['lost_s']:.1f} s lost" if summary["lost_s"] else ""
    return (
        f"{summary['audio_s']:.1f} s of sound, {summary['decisions']} decisions, "
        f"{summary['cpu_s']:.2f} s of CPU{lost}"
    )
