"""What a sink is."""

from __future__ import annotations

from typing import Any

from ..events import Decision
from ..model.manifest import Manifest
from ..sources import AudioSource


class Sink:
    """Is told of everything that listening brings, and does something about its own matter.

    None of these may block: the sound goes on.
    """

    def configured(self, manifest: Manifest, muted: bool) -> None:
        """What listens from the next decision on: at the start, and whenever it may have changed.

        Args:
            manifest: of the model, with the thresholds that count now.
            muted: whether the source is replaced by silence.
        """

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """A decision was made; it may carry an event."""

    def noted(self, text: str) -> None:
        """Something happened that people should know of: a microphone is away, a command failed."""

    def reloading(self) -> None:
        """The model was read again; a note tells which one listens from the next decision on."""

    def finished(self, summary: dict[str, Any]) -> None:
        """Listening ended."""
