"""Near misses: keywords that almost became an event."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .arming import always_armed
from .events import Decision
from .model.manifest import KEYWORD_HEAD, SCENE_HEAD, Manifest
from .verifier import log_odds

NEAR_LOG_ODDS = 3.0
"""A score is near when its log-odds are less than this below those of the threshold: 0.29 is near 0.89."""


@dataclass(frozen=True)
class NearMiss:
    """A keyword whose score came near its threshold and did not exceed it."""

    keyword: str
    score: float
    """The largest one, 0 to 1: the smoothed score, or the verifier's where the model has one."""
    end_s: float
    """The end of the window that had this score, in seconds of audio since the source began."""


class NearMisses:
    """Finds near misses in a stream of decisions.

    A keyword is a near miss when its score rises near its threshold, does not exceed it, and is not higher in
    the time that follows. There is one near miss until the score has fallen again, and none when the keyword
    becomes an event in that time.
    """

    def __init__(self, manifest: Manifest, follow_s: float) -> None:
        """Prepare for the decisions of a model.

        Args:
            manifest: of the model, with the thresholds that count now.
            follow_s: a near miss is told so long after its window.
        """
        decoder = always_armed(manifest).decoder
        self._follow = max(1, round(1000 * follow_s / manifest.decoder.decision_ms))
        self._thresholds = decoder.thresholds
        self._in_scene = decoder.scene_thresholds
        self._scenes = manifest.labels.get(SCENE_HEAD, ())
        labels = manifest.labels.get(KEYWORD_HEAD, ())
        self._columns = {word: labels.index(word) for word in manifest.trained_keywords}
        self._verifies = manifest.verifier is not None
        self._rising: dict[str, _Rising] = {}

    def take(self, decision: Decision) -> list[NearMiss]:
        """The near misses that are certain with this decision; most often none."""
        if decision.event is not None:
            # It may still be above its threshold, and is no near miss until it has fallen.
            self._rising[decision.event.keyword] = _Rising(1.0, decision.end_s, told=True)
        near = dict(self._near(decision))
        found = []
        for word, score in near.items():
            rising = self._rising.setdefault(word, _Rising(score, decision.end_s))
            if score > rising.score:
                rising.score, rising.end_s, rising.age = score, decision.end_s, 0
        for word, rising in list(self._rising.items()):
            if not rising.told and rising.age >= self._follow:
                found.append(NearMiss(word, rising.score, rising.end_s))
                rising.told = True
            if word not in near and rising.age >= self._follow:
                del self._rising[word]
            rising.age += 1
        return found

    def _near(self, decision: Decision) -> Iterable[tuple[str, float]]:
        own = self._in_scene.get(self._scene(decision), {})
        for word, score in self._scores(decision):
            threshold = own.get(word, self._thresholds[word])
            if log_odds(threshold) - NEAR_LOG_ODDS < log_odds(score) and score <= threshold:
                yield word, score

    def _scene(self, decision: Decision) -> str:
        return self._scenes[int(decision.scores[SCENE_HEAD].argmax())] if self._scenes else ""

    def _scores(self, decision: Decision) -> Iterable[tuple[str, float]]:
        """The score of each keyword that could become an event with this decision."""
        yield from decision.verified.items()
        if not self._verifies and KEYWORD_HEAD in decision.scores:
            smoothed = decision.scores[KEYWORD_HEAD]
            leader = int(smoothed.argmax())
            for word, column in self._columns.items():
                if column == leader:
                    yield word, float(smoothed[column])


@dataclass
class _Rising:
    """A keyword near its threshold that may still become an event."""

    score: float
    end_s: float
    age: int = 0
    """Decisions since the score was largest."""
    told: bool = False
