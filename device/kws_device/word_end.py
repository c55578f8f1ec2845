"""When a word that was said to the device has ended: speech, and then a pause."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from .model.manifest import KEYWORD_HEAD, SILENCE, Manifest

_MEMORY_S = 1.2
"""A pause counts only after speech that is not older."""
_PAUSE_S = 0.2
"""So long the level must stay low. Closures of plosives are shorter."""
_SPEECH = 0.5
"""What is said to be no silence with at least this score of the first network is speech."""


class WordEnd:
    """Tells at which decisions to look for a word: at the first few after it has ended.

    All times are counted in decisions, so a replay gives the same answers.
    """

    def __init__(self, manifest: Manifest, pause_db: float, looks: int) -> None:
        """Prepare for the decisions of a model.

        Args:
            manifest: of the model.
            pause_db: a pause is so far below the loudest sound of the last 1.2 s.
            looks: decisions after a pause began at which to look.
        """
        step_s = manifest.decoder.decision_ms / 1000
        labels = manifest.labels.get(KEYWORD_HEAD, ())
        self._silence = labels.index(SILENCE) if SILENCE in labels else None
        self._memory = max(2, round(_MEMORY_S / step_s))
        self._pause = max(1, round(_PAUSE_S / step_s))
        self._pause_db = pause_db
        self._looks = looks
        self.reset()

    def reset(self) -> None:
        """Forget everything: afterwards it equals a new one."""
        self._levels: deque[float] = deque(maxlen=self._memory)
        self._speech: deque[float] = deque(maxlen=self._memory)
        self._sounding = False
        """Whether there was sound since the last pause."""
        self._left = 0

    def take(self, scores: NDArray[np.float32] | None, level_dbfs: float) -> bool:
        """Whether to look for a word now.

        Args:
            scores: of the first network's keyword head, shape (labels,); None: it has none.
            level_dbfs: of the sound since the decision before.
        """
        self._levels.append(level_dbfs)
        silent = 0.0 if scores is None or self._silence is None else float(scores[self._silence])
        self._speech.append(1 - silent)
        newest = list(self._levels)[-self._pause :]
        if max(newest) >= max(self._levels) - self._pause_db:
            self._sounding = True
        elif self._sounding and max(self._speech) > _SPEECH:
            self._sounding = False
            self._left = self._looks
        self._left -= 1
        return self._left >= 0
