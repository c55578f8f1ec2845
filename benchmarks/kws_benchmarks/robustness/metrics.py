"""Counts answers as they come in, so that no clip is needed again for the figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_training.evaluation.metrics import Tally, figure
from kws_training.evaluation.scoring import Judgement


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
