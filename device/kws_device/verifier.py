"""The verifier at run time: confirms or refuses candidates of the first network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .front_end import silent_frame
from .model.engine import Engine
from .model.manifest import KEYWORD_HEAD, VERIFIER_OUTPUT, Manifest
from .model.manifest_parts import VerifierConfig
from .ring_buffer import Ring

_SUREST = 1e-6
"""Scores are kept so far from 0 and 1, so that log-odds stay finite (within 13.8)."""


class Verifier:
    """Watches the first network's scores, and looks at each candidate once, some time behind it.

    A candidate begins where a keyword leads its head with a smoothed score over its candidate threshold. The
    look comes `delay_ms` later, when the verifier has heard what follows the word; until then the keyword is
    no candidate anew. All times are counted in decisions, so a replay gives the same answers.
    """

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        """Prepare for the candidates of a model.

        Args:
            manifest: of a model with a verifier.
            engine: of the verifier (`load_verifier`).

        Raises:
            ValueError: the manifest has no verifier.
        """
        if manifest.verifier is None:
            raise ValueError(f"{manifest.name} has no verifier")
        self._config = config = manifest.verifier
        self._engine = engine
        self._delay = round(config.delay_ms / manifest.decoder.decision_ms)
        labels = manifest.labels[KEYWORD_HEAD]
        self._keywords = [(word, labels.index(word)) for word in manifest.trained_keywords]
        self._columns = {word: config.labels.index(word) for word in manifest.trained_keywords}
        self._frames = Ring(
            manifest.front_end.frames_in(config.clip_ms),
            (manifest.front_end.mels,),
            fill=silent_frame(manifest.front_end, manifest.normalisation),
        )
        self.reset()

    def reset(self) -> None:
        """Forget all sound and all candidates: afterwards the verifier equals a new one."""
        self._frames.reset()
        self._candidates: dict[str, _Candidate] = {}

    def hear(self, frames: NDArray[np.float32]) -> None:
        """Take the newest normalised frames, shape (n, mels)."""
        self._frames.write(frames)

    def look(self, smoothed: NDArray[np.float64]) -> dict[str, float]:
        """Look at the candidates whose time has come.

        Args:
            smoothed: the first network's keyword scores of this decision, shape (labels,).

        Returns:
            the final score, 0 to 1, of each candidate that is decided now, by keyword.
        """
        leader = int(smoothed.argmax())
        for word, index in self._keywords:
            score = float(smoothed[index])
            if word in self._candidates:
                candidate = self._candidates[word]
                candidate.age += 1
                candidate.strongest = max(candidate.strongest, score)
            elif index == leader and score > self._config.candidate_thresholds[word]:
                self._candidates[word] = _Candidate(score)
        due = {word: c for word, c in self._candidates.items() if c.age >= self._delay}
        if not due:
            return {}
        answer = self._engine.scores(self._frames.read())[VERIFIER_OUTPUT]
        decided = {}
        for word, candidate in due.items():
            candidate.log_odds.append(log_odds(float(answer[self._columns[word]])))
            if len(candidate.log_odds) == self._config.looks:
                decided[word] = final_score(self._config, candidate.strongest, candidate.log_odds)
                del self._candidates[word]
        return decided


@dataclass
class _Candidate:
    """A keyword that the verifier is to look at."""

    strongest: float
    """The largest smoothed score of the first network since it became a candidate."""
    age: int = 0
    """In decisions."""
    log_odds: list[float] = field(default_factory=list)
    """Of the looks so far."""


def log_odds(score: float) -> float:
    """log(p / (1 - p)) of a score, which is kept a millionth away from 0 and 1."""
    p = min(max(score, _SUREST), 1 - _SUREST)
    return math.log(p / (1 - p))


def final_score(config: VerifierConfig, first: float, looks: list[float]) -> float:
    """The calibrated score of a candidate, 0 to 1.

    Args:
        config: with the weight of the first network and the calibration.
        first: the first network's strongest smoothed score.
        looks: log-odds of the verifier, at least one.

    Source: logistic calibration of a score, Platt 1999.
    """
    together = sum(looks) / len(looks) + config.first_weight * log_odds(first)
    return 1 / (1 + math.exp(-(config.scale * together + config.offset)))
