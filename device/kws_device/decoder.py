"""When a score becomes an event. All times are audio time, so a replay gives the same events."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .events import Decision, Event
from .manifest import KEYWORD_HEAD, SCENE_HEAD, Manifest
from .rings import Ring


class Decoder:
    """Smooths the scores of every head and reports each keyword once.

    A keyword is reported at the first decision at which it leads its head and its smoothed score
    exceeds its threshold. It is not reported again before that score has fallen to the threshold
    and the refractory time has passed since the fall.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        step_s = manifest.decoder.decision_ms / 1000
        self._smoothers = {
            head.name: Ring(max(1, round(head.smoothing_s / step_s)), (len(head.labels),), np.float64)
            for head in manifest.heads
        }
        self._labels = manifest.labels
        self._keywords = [
            (keyword, self._labels[KEYWORD_HEAD].index(keyword), threshold)
            for keyword, threshold in manifest.decoder.thresholds.items()
        ]
        # In decisions: seconds would differ by rounding errors, and the grid is what is decided on.
        self._refractory = math.ceil(manifest.decoder.refractory_s / step_s - 1e-6)
        self.reset()

    def reset(self) -> None:
        """Forget everything: afterwards the decoder equals a new one."""
        for smoother in self._smoothers.values():
            smoother.reset()
        self._held: set[str] = set()
        """Keywords reported whose score has not fallen since."""
        self._decision = 0
        self._fell = dict.fromkeys(self._manifest.decoder.thresholds, -self._refractory)
        """The decision at which the score of a reported keyword last fell to its threshold."""

    def decide(self, scores: dict[str, NDArray[np.float32]], end_s: float) -> Decision:
        """Take the scores of the window that ends at `end_s` seconds of audio."""
        self._decision += 1
        smoothed = {}
        for name, smoother in self._smoothers.items():
            smoother.write(scores[name][None])
            rows = smoother.read()
            smoothed[name] = np.add.reduce(rows, axis=0) / len(rows)
        keyword = self._report(smoothed[KEYWORD_HEAD]) if KEYWORD_HEAD in smoothed else None
        return Decision(end_s, smoothed, None if keyword is None else self._event(keyword, smoothed, end_s))

    def _report(self, smoothed: NDArray[np.float64]) -> str | None:
        leader = int(smoothed.argmax())
        reported = None
        for keyword, index, threshold in self._keywords:
            if smoothed[index] <= threshold:
                if keyword in self._held:
                    self._held.remove(keyword)
                    self._fell[keyword] = self._decision
            elif (
                index == leader
                and keyword not in self._held
                and self._decision - self._fell[keyword] >= self._refractory
            ):
                self._held.add(keyword)
                reported = keyword
        return reported

    def _event(self, keyword: str, smoothed: dict[str, NDArray[np.float64]], end_s: float) -> Event:
        scene, scene_score = None, None
        if SCENE_HEAD in smoothed:
            best = int(smoothed[SCENE_HEAD].argmax())
            scene = self._labels[SCENE_HEAD][best]
            scene_score = round(float(smoothed[SCENE_HEAD][best]), 4)
        score = smoothed[KEYWORD_HEAD][self._labels[KEYWORD_HEAD].index(keyword)]
        start_s = round(end_s - self._manifest.front_end.clip_ms / 1000, 3)
        return Event(keyword, round(float(score), 4), start_s, end_s, scene, scene_score)
