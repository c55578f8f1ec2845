"""The results of listening: decisions, events and their sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .levels import SILENCE_DBFS


@dataclass(frozen=True)
class Event:
    """A keyword was heard. Times are seconds of audio since the source began."""

    keyword: str
    score: float
    """0 to 1: the smoothed score, or the verifier's where the model has one, or that of a taught word."""
    start_s: float
    """One clip before `end_s`."""
    end_s: float
    """The end of the window with which the keyword was decided."""
    scene: str | None
    """The likeliest scene at that moment; None where the model has no scene head."""
    scene_score: float | None
    verified: bool = False
    """Whether a verifier confirmed it."""
    armed: bool | None = None
    """Whether the model's commands count now: true of a command and of the word that arms them; None where
    the model has none."""


@dataclass(frozen=True)
class Clip:
    """A piece of sound."""

    samples: NDArray[np.float32]
    """Mono, shape (n,), full scale is 1.0."""
    sample_rate_hz: int


@dataclass(frozen=True)
class Decision:
    """The scores of one window, and the level of its newest sound."""

    end_s: float
    """The end of the window, in seconds of audio since the source began."""
    scores: dict[str, NDArray[np.float64]]
    """Smoothed, by head, in the order of its labels."""
    event: Event | None
    """The keyword that this decision reports, if it does."""
    verified: Mapping[str, float] = field(default_factory=dict)
    """The verifier's score of each candidate on which it finished with this decision, by keyword; and the
    score of each taught word, where this decision looked for them.
    """
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The labels by head: `labels[head][i]` has the score `scores[head][i]`."""
    level_dbfs: float = SILENCE_DBFS
    """The root mean square of the sound since the decision before."""
    peak_dbfs: float = SILENCE_DBFS
    """The largest sample of that sound."""
    armed_left_s: float | None = None
    """How long commands still count, in seconds; 0: not armed. None where the model has no commands."""
    clip: Clip | None = field(default=None, compare=False, repr=False)
    """With an event: the sound up to `end_s`, as much as the model and its verifier see of it. None without
    one, so that a list of decisions stays small.
    """
