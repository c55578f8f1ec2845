"""When the model need not be asked: the room is quiet, and nothing stands out from its own hiss."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .front_end import MelConfig

_GROUPS = 8
"""Neighbouring mel bands are averaged to so many: a single one of hiss fluctuates by 5 dB."""
_STANDS_OUT_DB = 4.0
"""Sound that is this far over the background in any group is no background."""
_QUIET_DBFS = -50.0
"""Louder rooms are not silent, however steady."""
_RISES_S = 30.0
"""A sound that stays becomes background in about this time; one that ends is gone in a tenth of it."""
_ASKED_EVERY_S = 1.0
"""The scene may change without a sound that stands out."""


class ActivityGate:
    """Decides, from its newest mels, whether a window can hold anything that the last one did not."""

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
        """Forget the room: afterwards the gate equals a new one."""
        self._background: NDArray[np.float64] | None = None
        self._quiet = 0
        """Decisions since something stood out."""
        self._skipped = 0
        self._settled = False
        """Whether the model, asked about a window of background alone, heard no keyword."""

    def is_silent(self, mels: NDArray[np.float32], level_dbfs: float) -> bool:
        """Whether the model need not be asked about the window that these frames end.

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
        """The model was asked; a window with a keyword in it, or with what stood out, settles nothing."""
        self._settled = not heard_a_keyword and self._quiet > self._clip


def _averages(items: int, groups: int) -> NDArray[np.float32]:
    """The matrix, shape (groups, items), that averages neighbours."""
    matrix = np.zeros((groups, items), dtype=np.float32)
    for row, members in zip(matrix, np.array_split(np.arange(items), groups), strict=True):
        row[members] = 1 / len(members)
    return matrix
