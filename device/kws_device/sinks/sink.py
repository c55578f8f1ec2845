"""What a sink is."""

from __future__ import annotations

from typing import Any

from ..events import Decision
from ..sources import AudioSource


class Sink:
    """Is told of everything that listening brings, and does something about its own matter.

    None of these may block: the sound goes on.
    """

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """A decision was made; it may carry an event."""

    def noted(self, text: str) -> None:
        """Something happened that people should know of: a microphone is away, a command failed."""

    def reloading(self) -> None:
        """The model was read again; a note tells which one listens from the next decision on."""

    def finished(self, summary: dict[str, Any]) -> None:
        """Listening ended."""
