"""Answers as they come in, part by part, counted so that figures need none of the clips again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_training.evaluation.figures import Tally, figure
from kws_training.evaluation.judging import Judgement


class Count:
    """One head's answers under one condition."""

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, str, str]] = Counter()

    def add(self, judgement: Judgement) -> None:
        """Count the answers to some of the windows."""
        for item, predicted in zip(judgement.items, judgement.predicted, strict=True):
            self._answers[item.source, item.label, predicted] += 1

    def tally(self, label: str | None = None) -> Tally:
        """What is right by speaker (or recording), of all windows or of those with a label."""
        counts: dict[str, tuple[int, int]] = {}
        for (source, truth, predicted), n in self._answers.items():
            if label in (None, truth):
                right, total = counts.get(source, (0, 0))
                counts[source] = (right + n * (truth == predicted), total + n)
        return counts

    def confusion(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """How often each label, by row, was taken for each, by column; shape (labels, labels)."""
        matrix = np.zeros((len(labels), len(labels)), dtype=np.int64)
        for (_, truth, predicted), n in self._answers.items():
            matrix[labels.index(truth), labels.index(predicted)] += n
        return matrix

    def figures(self, labels: Sequence[str]) -> dict[str, Any]:
        """{"accuracy", "ci95", "n"} of all windows, and in "per_class" of those of each label."""
        said = {truth for _, truth, _ in self._answers}
        per_class = {label: figure(self.tally(label)) for label in labels if label in said}
        return {**figure(self.tally()), "per_class": per_class}


class Accepted:
    """What would become events at the model's thresholds, if a window were all that the decoder averages."""

    def __init__(self, thresholds: Mapping[str, float]) -> None:
        """`thresholds`, by keyword, count in every scene."""
        self._thresholds = thresholds
        self._heard: Tally = {}
        self._false: Tally = {}

    def add(self, judgement: Judgement) -> None:
        """Count the answers to some of the words: keywords that are heard, other sounds taken for one."""
        for item, predicted, score in zip(judgement.items, judgement.predicted, judgement.score, strict=True):
            accepted = predicted in self._thresholds and score > self._thresholds[predicted]
            is_keyword = item.label in self._thresholds
            counts = self._heard if is_keyword else self._false
            yes, total = counts.get(item.source, (0, 0))
            wanted = accepted and (predicted == item.label or not is_keyword)
            counts[item.source] = (yes + wanted, total + 1)

    def figures(self) -> dict[str, Any]:
        """Of keywords ("heard") and of all else ("false") {"share", "ci95", "n"}, where there are any."""
        found = {}
        for name, counts in (("heard", self._heard), ("false", self._false)):
            if counts:
                of = figure(counts)
                found[name] = {"share": of["accuracy"], "ci95": of["ci95"], "n": of["n"]}
        return found


class Changed:
    """How many words are answered otherwise than when they are heard clean."""

    def __init__(self) -> None:
        self._changed = self._total = 0

    def add(self, clean: Judgement, now: Judgement) -> None:
        """Count the answers to some of the words, the same ones in both."""
        self._changed += sum(a != b for a, b in zip(clean.predicted, now.predicted, strict=True))
        self._total += len(now.predicted)

    @property
    def share(self) -> float:
        """Of the words, rounded as reports have it."""
        return round(self._changed / self._total, 5)
