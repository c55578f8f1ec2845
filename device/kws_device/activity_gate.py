"""Skips the model while the room is quiet and nothing stands out from the background."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .front_end import MelConfig

_GROUPS = 8
"""Number of groups of neighbouring mel bands that are averaged. A single band of noise fluctuates by 5 dB."""
_STANDS_OUT_DB = 4.0
"""A group this far above the background stands out."""
_QUIET_DBFS = -50.0
"""Above this level the gate is always open."""
_RISES_S = 30.0
"""Time constant of the background when the sound gets louder; a tenth of it when it gets quieter."""
_ASKED_EVERY_S = 1.0
"""The model runs at least this often, since the scene may change without a sound that stands out."""


class ActivityGate:
    """Decides from the newest mels whether the model must run on this window."""

    def __init__(self, config: MelConfig, frames: int, decision_s: float) -> None:
        """For `frames` new frames of `config` at each decision, one every `decision_s`."""
        self._groups = _averages(config.mels, min(_GROUPS, config.mels)).T
        self._halves = _averages(frames, min(2, frames))
        self._rise = min(1.0, decision_s / _RISES_S)
        self._fall = min(1.0, 10 * self._rise)
        self._clip = math.ceil(config.clip_ms / 1000 / decision_s)
        self._every = max(1, round(_ASKED_EVERY_S / decision_s))
        self.reset()

    def reset(self) -> None:
        """Forget the background. The gate then equals a new one."""
        self._background: NDArray[np.float64] | None = None
        self._quiet = 0
        """Decisions since something stood out."""
        self._skipped = 0
        self._settled = False
        """Whether the model heard no keyword in a window of background alone."""

    def is_silent(self, mels: NDArray[np.float32], level_dbfs: float) -> bool:
        """Whether the model can be skipped for the window that ends with these frames.

        Args:
            mels: the frames that are new since the last decision, dB, shape (n, mels).
            level_dbfs: of the new samples.
        """
        halves = self._halves @ mels @ self._groups
        now = halves.mean(axis=0)
        if self._background is None:
            self._background = now
        stands_out = bool((halves - self._background > _STANDS_OUT_DB).any())
        change = now - self._background
        self._background += np.where(change > 0, self._rise, self._fall) * change
        if stands_out or level_dbfs > _QUIET_DBFS:
            self._quiet = 0
            self._settled = False
            return False
        self._quiet += 1
        if not self._settled or self._skipped + 1 >= self._every:
            self._skipped = 0
            return False
        self._skipped += 1
        return True

    def asked(self, heard_a_keyword: bool) -> None:
        """The model ran. After a window of background without a keyword it may be skipped."""
        self._settled = not heard_a_keyword and self._quiet > self._clip


def _averages(items: int, groups: int) -> NDArray[np.float32]:
    """The matrix, shape (groups, items), that averages neighbours."""
    matrix = np.zeros((groups, items), dtype=np.float32)
    for row, members in zip(matrix, np.array_split(np.arange(items), groups), strict=True):
        row[members] = 1 / len(members)
    return matrix
