"""An engine that keeps its latest input and output, for measurements."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .engine import Engine


class RecordingEngine(Engine):
    """Another engine, whose last window and last scores stay readable."""

    window: NDArray[Any]
    """As prepared, shape (frames, mels): a copy."""
    answer: dict[str, NDArray[np.float32]]
    """Scores by head, not smoothed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.times_asked = 0

    def prepare(self, frames: NDArray[np.float32]) -> NDArray[Any]:
        """See Engine."""
        return self.engine.prepare(frames)

    def run(self, window: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """See Engine."""
        self.times_asked += 1
        self.window = window.copy()
        self.answer = self.engine.run(window)
        return self.answer
