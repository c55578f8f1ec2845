"""What the listener reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Event:
    """A keyword was heard. Times are seconds of audio since the source began."""

    keyword: str
    score: float
    """Smoothed, 0 to 1."""
    start_s: float
    """One clip before `end_s`."""
    end_s: float
    """The end of the window with which the keyword was decided."""
    scene: str | None
    """The likeliest scene at that moment; None where the model has no scene head."""
    scene_score: float | None


@dataclass(frozen=True)
class Decision:
    """What the model made of one window."""

    end_s: float
    """The end of the window, in seconds of audio since the source began."""
    scores: dict[str, NDArray[np.float64]]
    """Smoothed, by head, in the order of its labels."""
    event: Event | None
    """The keyword that this decision reports, if it does."""
