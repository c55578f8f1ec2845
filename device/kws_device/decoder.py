"""Turns scores into events. All times are audio time, so a replay gives the same events."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from .arming import Arming, always_armed
from .events import Decision, Event
from .model.manifest import KEYWORD_HEAD, SCENE_HEAD, DecoderConfig, Head, Manifest
from .ring_buffer import Ring

_NONE: Mapping[str, float] = MappingProxyType({})


class Decoder:
    """Smooths the scores of every head and reports each keyword once.

    A keyword is reported at the first decision at which it leads its head and its smoothed score
    exceeds its threshold. It is not reported again before that score has fallen to the threshold
    and the refractory time has passed since the fall. A word beside a chainsaw may have to be surer
    than one in silence: thresholds may depend on the scene that leads at that moment.

    Where the model has a verifier, a keyword is reported when the verifier's score exceeds the threshold, of
    several the one that exceeds it most; it counts as fallen when it is no candidate any more.

    A taught word is reported in the same way at the decisions that look for it (`TaughtWords.look`). It
    counts as fallen when a decision does not look, or its score does not exceed the threshold.

    Where the model has commands (`Manifest.arming`), one that exceeds its threshold before they are armed is
    not reported, nor later until its score has fallen. That fall begins no refractory time.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._arming = Arming(manifest.arming, manifest.decoder.decision_ms) if manifest.arming else None
        config = manifest.decoder
        self._smoothers = {head.name: _Smoother(head, config) for head in manifest.heads}
        self._labels = labels = manifest.labels
        self._scenes = labels.get(SCENE_HEAD, ())
        self._keywords = [(word, labels[KEYWORD_HEAD].index(word)) for word in manifest.trained_keywords]
        self._taught = frozenset(word.word for word in manifest.taught)
        self.set_thresholds(manifest)
        self._verifies = manifest.verifier is not None
        self._falls_at = manifest.verifier.candidate_thresholds if manifest.verifier else {}
        # In decisions: seconds would differ by rounding errors, and the grid is what is decided on.
        self._refractory = math.ceil(config.refractory_s / (config.decision_ms / 1000) - 1e-6)
        self.reset()

    def reset(self) -> None:
        """Forget everything: afterwards the decoder equals a new one."""
        for smoother in self._smoothers.values():
            smoother.reset()
        if self._arming is not None:
            self._arming.reset()
        self._held: dict[str, bool] = {}
        """Keywords whose score has not fallen since they were decided on, and whether they were reported."""
        self._decision = 0
        self._fell = dict.fromkeys(self._manifest.decoder.thresholds, -self._refractory)
        """The decision at which the score of a reported keyword last fell to its threshold."""

    def set_thresholds(self, manifest: Manifest) -> None:
        """Take the thresholds of a manifest that is otherwise this decoder's own."""
        # Commands count only while armed, so the thresholds that they have otherwise never matter.
        config = always_armed(manifest).decoder
        self._everywhere = config.thresholds
        self._in_scene: dict[str | None, dict[str, float]] = {
            scene: {**config.thresholds, **thresholds}
            for scene, thresholds in config.scene_thresholds.items()
        }

    def arm(self) -> bool:
        """Let commands count from the next decision on; False where the model has none."""
        if self._arming is not None:
            self._arming.arm(self._decision)
        return self._arming is not None

    @property
    def memory(self) -> int:
        """After so many decisions at which nothing exceeds a threshold, all before no longer matters."""
        return 1 + max(self._refractory, self._arming.lasts if self._arming else 0)

    def decide(
        self,
        scores: dict[str, NDArray[np.float32]],
        end_s: float,
        look: Callable[[NDArray[np.float64]], Mapping[str, float]] | None = None,
        taught: Mapping[str, float] = _NONE,
    ) -> Decision:
        """Take the scores of the window that ends at `end_s` seconds of audio.

        Args:
            scores: of the first network, by head, shape (labels,).
            end_s: of the window.
            look: of the verifier (`Verifier.look`); None where the model has none.
            taught: the score of each taught word, where this decision looks for them.
        """
        smoothed = {name: smoother.take(scores[name]) for name, smoother in self._smoothers.items()}
        verified = look(smoothed[KEYWORD_HEAD]) if look else {}
        return self.decide_smoothed(smoothed, end_s, {**verified, **taught} if taught else verified)

    def decide_smoothed(
        self, smoothed: dict[str, NDArray[np.float64]], end_s: float, verified: Mapping[str, float] = _NONE
    ) -> Decision:
        """The same for the scores of a `Decision`: what other thresholds would have made of them."""
        self._decision += 1
        scene, likeliest = None, -1
        if SCENE_HEAD in smoothed:
            likeliest = int(smoothed[SCENE_HEAD].argmax())
            scene = self._scenes[likeliest]
        event = None
        if KEYWORD_HEAD in smoothed:
            thresholds = self._in_scene.get(scene, self._everywhere)
            scores = smoothed[KEYWORD_HEAD].tolist()
            self._let_fall(scores, verified, thresholds)
            reported = self._confirm(verified, thresholds)
            if reported is None and not self._verifies:
                reported = self._report(scores, thresholds)
            if reported is not None:
                keyword, score = reported
                scene_score = None if scene is None else round(float(smoothed[SCENE_HEAD][likeliest]), 4)
                start_s = round(end_s - self._manifest.front_end.clip_ms / 1000, 3)
                if self._arming is not None:
                    self._arming.heard(keyword, self._decision)
                event = Event(
                    keyword,
                    round(score, 4),
                    start_s,
                    end_s,
                    scene,
                    scene_score,
                    self._verifies and keyword not in self._taught,
                    self._arming.is_armed(self._decision) if self._arming else None,
                )
        left_s = self._arming.left_s(self._decision) if self._arming else None
        return Decision(end_s, smoothed, event, verified, self._labels, armed_left_s=left_s)

    def _report(self, scores: list[float], thresholds: dict[str, float]) -> tuple[str, float] | None:
        leader = scores.index(max(scores))
        reported = None
        for keyword, index in self._keywords:
            score = scores[index]
            if score > thresholds[keyword] and index == leader and self._may_report(keyword):
                self._held[keyword] = self._counts(keyword)
                if self._held[keyword]:
                    reported = keyword, score
        return reported

    def _let_fall(
        self, scores: list[float], verified: Mapping[str, float], thresholds: dict[str, float]
    ) -> None:
        """Keywords whose score is no longer over what holds them may be reported again."""
        falls_at = self._falls_at if self._verifies else thresholds
        for keyword, index in self._keywords:
            if not scores[index] > falls_at[keyword]:
                self._fall(keyword)
        for keyword in self._taught:
            if not verified.get(keyword, 0.0) > thresholds[keyword]:
                self._fall(keyword)

    def _confirm(
        self, verified: Mapping[str, float], thresholds: dict[str, float]
    ) -> tuple[str, float] | None:
        confirmed = []
        for keyword, score in verified.items():
            if score > thresholds[keyword] and self._may_report(keyword):
                if self._counts(keyword):
                    confirmed.append((score - thresholds[keyword], keyword))
                else:
                    self._held[keyword] = False
        if not confirmed:
            return None
        _, keyword = max(confirmed)
        self._held[keyword] = True
        return keyword, verified[keyword]

    def _fall(self, keyword: str) -> None:
        """The score of a keyword is no longer over what holds it."""
        if self._held.pop(keyword, False):
            self._fell[keyword] = self._decision

    def _counts(self, keyword: str) -> bool:
        return self._arming is None or self._arming.counts(keyword, self._decision)

    def _may_report(self, keyword: str) -> bool:
        return keyword not in self._held and self._decision - self._fell[keyword] >= self._refractory


class _Smoother:
    """Averages each label's scores over the decisions of its own time."""

    def __init__(self, head: Head, config: DecoderConfig) -> None:
        step_s = config.decision_ms / 1000
        own = config.smoothing_s if head.name == KEYWORD_HEAD else {}
        lengths = [max(1, round(own.get(label, head.smoothing_s) / step_s)) for label in head.labels]
        *shorter, longest = sorted(set(lengths))
        self._scores = Ring(longest, (len(lengths),), np.float64)
        # A mean as one product takes a third of the time of a sum, over so few numbers.
        self._weights = np.full(longest, 1 / longest)
        self._shorter = [(np.full(n, 1 / n), np.flatnonzero(np.equal(lengths, n))) for n in shorter]

    def reset(self) -> None:
        self._scores.reset()

    def take(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """The smoothed scores, shape (labels,), with those of this decision among them."""
        self._scores.write(scores[None])
        rows = self._scores.read()
        smoothed: NDArray[np.float64] = self._weights.dot(rows)
        for weights, columns in self._shorter:
            smoothed[columns] = weights.dot(rows[-len(weights) :, columns])
        return smoothed
