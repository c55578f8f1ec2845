"""What the listener reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Event:
    """A keyword was heard. Times are seconds of audio since the source began."""

    keyword: str
    score: float
    """0 to 1: the smoothed score, or the verifier's where the model has one."""
    start_s: float
    """One clip before `end_s`."""
    end_s: float
    """The end of the window with which the keyword was decided."""
    scene: str | None
    """The likeliest scene at that moment; None where the model has no scene head."""
    scene_score: float | None
    verified: bool = False
    """Whether a verifier confirmed it."""


@dataclass(frozen=True)
class Decision:
    """What the model made of one window."""

    end_s: float
    """The end of the window, in seconds of audio since the source began."""
    scores: dict[str, NDArray[np.float64]]
    """Smoothed, by head, in the order of its labels."""
    event: Event | None
    """The keyword that this decision reports, if it does."""
    verified: Mapping[str, float] = field(default_factory=dict)
    """The verifier's score of each candidate on which it finished with this decision, by keyword."""
