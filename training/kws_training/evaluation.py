"""What a model gets right of a test set: one window per clip, argmax, no threshold.

The same code serves a Keras model after training and an exported one through the device's engine:
a model here is a function from mels to scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device.engine import Engine
from kws_device.front_end import MelConfig, Normalisation, log_mel
from kws_device.manifest import KEYWORD_HEAD, SCENE_HEAD, Manifest

from .test_sets import EvaluationSet, Item

if TYPE_CHECKING:
    import keras

Predict = Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]
"""Log-mels in dB, shape (n, frames, mels), to scores by head, shape (n, labels)."""

_BATCH = 256


@dataclass(frozen=True)
class Judgement:
    """A head's answers to a set."""

    head: str
    items: list[Item]
    predicted: list[str]
    """Labels."""
    score: NDArray[np.float64]
    """Of the predicted label, shape (n,)."""

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Shape (n,)."""
        return np.array([p == i.label for p, i in zip(self.predicted, self.items, strict=True)], dtype=bool)

    @property
    def accuracy(self) -> float:
        """Share of the items that are right; nan without items."""
        return float(self.correct.mean()) if self.items else float("nan")


def judge(
    items: Sequence[Item], head: str, labels: Sequence[str], front_end: MelConfig, predict: Predict, what: str
) -> Judgement:
    """Ask one head about every item, in batches, with a progress bar."""
    predicted: list[str] = []
    scores: list[float] = []
    with tqdm(total=len(items), desc=what, unit="window", leave=False) as bar:
        for batch in _batches(items):
            answer = predict(log_mel(np.stack([item.samples for item in batch]), front_end))[head]
            best = answer.argmax(axis=1)
            predicted += [labels[i] for i in best]
            scores += [float(answer[n, i]) for n, i in enumerate(best)]
            bar.update(len(batch))
    return Judgement(head, list(items), predicted, np.array(scores))


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def keras_predictor(model: keras.Model, normalisation: Normalisation) -> Predict:
    """A Keras model as the function that evaluation asks."""

    def predict(mels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        answers = model.predict_on_batch(normalisation.apply(mels))
        return {head: np.asarray(scores) for head, scores in answers.items()}

    return predict


def engine_predictor(engine: Engine, normalisation: Normalisation) -> Predict:
    """An exported model as the function that evaluation asks, window by window as on the device."""

    def predict(mels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        answers = [engine.scores(window) for window in normalisation.apply(mels)]
        return {head: np.stack([answer[head] for answer in answers]) for head in answers[0]}

    return predict


def judge_set(set_: EvaluationSet, manifest: Manifest, predict: Predict) -> dict[str, Judgement]:
    """The answers of each head that the model has and the set asks."""
    asked = {KEYWORD_HEAD: set_.words, SCENE_HEAD: set_.scenes}
    return {
        head: judge(asked[head], head, labels, manifest.front_end, predict, set_.name)
        for head, labels in manifest.labels.items()
        if asked[head]
    }
