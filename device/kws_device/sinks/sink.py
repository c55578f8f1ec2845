"""The interface of sinks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..events import Decision
from ..model.manifest import Manifest
from ..sources import AudioSource


class Sink:
    """Receives everything that happens while listening.

    No method may block, since the sound continues meanwhile.
    """

    def configured(self, manifest: Manifest, muted: bool) -> None:
        """The settings changed, or listening starts; they hold from the next decision on.

        Args:
            manifest: of the model, with the thresholds that count now.
            muted: whether the source is replaced by silence.
        """

    def heard(self, samples: NDArray[np.float32]) -> None:
        """The sound since the decision before, shape (n,); `decided` follows with what came of it.

        The array is a view that the next sound overwrites.
        """

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """A decision was made; it may carry an event."""

    def noted(self, text: str) -> None:
        """A message for people, for example that the microphone is missing or a command failed."""

    def reloading(self) -> None:
        """The model file was read again. A note says which model is used from the next decision on."""

    def finished(self, summary: dict[str, Any]) -> None:
        """Listening ended."""
