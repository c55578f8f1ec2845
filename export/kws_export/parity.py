"""Whether an exported file says what the trained model says."""

from __future__ import annotations

from typing import Any

import numpy as np

from kws_device.manifest import Manifest
from kws_training.evaluation.judging import Judgement, Predict, judge_set
from kws_training.evaluation.test_sets import EvaluationSet

Answers = dict[str, dict[str, Judgement]]
"""Judgements by set name and head."""


def ask(sets: list[EvaluationSet], manifest: Manifest, predict: Predict) -> Answers:
    """A model's answers to every set."""
    return {set_.name: judge_set(set_, manifest, predict) for set_ in sets}


def accuracies(answers: Answers) -> dict[str, dict[str, dict[str, Any]]]:
    """Accuracy and number of windows by set and head."""
    return {
        name: {head: {"accuracy": round(j.accuracy, 4), "n": len(j.items)} for head, j in judged.items()}
        for name, judged in answers.items()
    }


def agreement(reference: Answers, other: Answers) -> dict[str, dict[str, Any]]:
    """By head, over all sets: windows, share with the same label, score differences where it is the same."""
    result = {}
    for head in {head: None for judged in reference.values() for head in judged}:
        pairs = [(judged[head], other[name][head]) for name, judged in reference.items() if head in judged]
        same = np.concatenate(
            [[p == q for p, q in zip(a.predicted, b.predicted, strict=True)] for a, b in pairs]
        ).astype(bool)
        difference = np.concatenate([np.abs(a.score - b.score) for a, b in pairs])[same]
        result[head] = {
            "windows": len(same),
            "same_label": round(float(same.mean()), 5),
            "largest_score_difference": round(float(difference.max(initial=0)), 5),
            "mean_score_difference": round(float(difference.mean()) if len(difference) else 0.0, 5),
        }
    return result


def largest_loss(reference: Answers, other: Answers) -> tuple[float, str]:
    """The largest fall of accuracy in points, and in which set and head."""
    losses = [
        (100 * (judged[head].accuracy - other[name][head].accuracy), f"{head} head, {name}")
        for name, judged in reference.items()
        for head in judged
    ]
    return max(losses)
