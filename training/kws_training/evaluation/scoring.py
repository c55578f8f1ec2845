"""What a model gets right of a test set: one window per clip, argmax, no threshold.

The same code serves a Keras model after training and an exported one through the device's engine:
a model here is a function from mels to scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device.front_end import Normalisation, log_mel
from kws_device.model.engine import Engine
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD, Manifest

from ..signal.mixing import mix
from .eval_sets import EvaluationSet, Item

if TYPE_CHECKING:
    import keras

Predict = Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]
"""Normalised log-mels, shape (n, frames, mels), to scores by head, shape (n, labels)."""

Arrays = dict[str, NDArray[np.float32]]
"""By head."""

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


@dataclass(frozen=True)
class Windows:
    """The windows of a set, each once however many heads are asked about it."""

    items: list[Item]
    """One for each window."""
    asked: dict[str, list[tuple[int, Item]]]
    """By head: what it is asked, and about which window."""


def windows_of(set_: EvaluationSet, labels: dict[str, tuple[str, ...]]) -> Windows:
    """What a set asks of heads with these labels.

    A head with a closed set of words has no answer for others, and is not asked about them.
    """
    number: dict[tuple[int, int], int] = {}
    items: list[Item] = []
    asked: dict[str, list[tuple[int, Item]]] = {}
    for head, questions in ((KEYWORD_HEAD, set_.words), (SCENE_HEAD, set_.scenes)):
        for item in questions:
            if item.label not in labels.get(head, ()):
                continue
            key = (id(item.samples), id(item.overlay))
            if key not in number:
                number[key] = len(items)
                items.append(item)
            asked.setdefault(head, []).append((number[key], item))
    return Windows(items, asked)


def inputs(
    items: Sequence[Item], manifest: Manifest, scene_normalisation: Normalisation | None = None
) -> NDArray[np.float32]:
    """What the network is given for windows: normalised log-mels, shape (n, frames, mels).

    Args:
        items: whole windows, those of mel sets with their overlays.
        manifest: its front end and normalisation serve.
        scene_normalisation: of overlays, where they have one of their own.
    """
    front_end, normalisation = manifest.front_end, manifest.normalisation
    mels = normalisation.apply(log_mel(np.stack([item.samples for item in items]), front_end))
    overlays = {n: item.overlay for n, item in enumerate(items) if item.overlay is not None}
    if overlays:
        scenes = log_mel(np.stack([overlay.samples for overlay in overlays.values()]), front_end)
        scenes = (scene_normalisation or normalisation).apply(scenes)
        for (n, overlay), scene in zip(overlays.items(), scenes, strict=True):
            mels[n] = mix(mels[n], scene, overlay.weights)
    return mels


def keras_predictor(model: keras.Model) -> Predict:
    """A Keras model as the function that evaluation asks; several threads may ask it at once."""
    import keras

    def predict(mels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        batches = [mels[start : start + _BATCH] for start in range(0, len(mels), _BATCH)]
        answers = [model(batch, training=False) for batch in batches]
        return {
            head: np.concatenate([keras.ops.convert_to_numpy(answer[head]) for answer in answers])
            for head in answers[0]
        }

    return predict


def engine_predictor(engine: Engine) -> Predict:
    """An exported model as the function that evaluation asks, window by window as on the device."""

    def predict(mels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        answers = [engine.scores(window) for window in mels]
        return {head: np.stack([answer[head] for answer in answers]) for head in answers[0]}

    return predict


def judge_set(
    set_: EvaluationSet,
    manifest: Manifest,
    predict: Predict,
    scene_normalisation: Normalisation | None = None,
    bar: tqdm[Any] | None = None,
) -> dict[str, Judgement]:
    """The answers of each head that the model has and the set asks.

    Args:
        set_: windows under one condition.
        manifest: of the model.
        predict: the model.
        scene_normalisation: of overlays, where they have one of their own.
        bar: a progress bar over more than this set, instead of one of its own.
    """
    windows = windows_of(set_, manifest.labels)
    batches: list[dict[str, NDArray[np.float32]]] = []
    with nullcontext(bar) if bar is not None else _bar(set_, windows) as counting:
        for start in range(0, len(windows.items), _BATCH):
            batch = windows.items[start : start + _BATCH]
            batches.append(predict(inputs(batch, manifest, scene_normalisation)))
            counting.update(len(batch))
    judged = {}
    for head, labels in manifest.labels.items():
        if questions := windows.asked.get(head):
            answers = np.concatenate([batch[head] for batch in batches])[[n for n, _ in questions]]
            best = answers.argmax(axis=1)
            score = np.take_along_axis(answers, best[:, None], axis=1)[:, 0].astype(np.float64)
            judged[head] = Judgement(head, [item for _, item in questions], [labels[i] for i in best], score)
    return judged


def _bar(set_: EvaluationSet, windows: Windows) -> Any:
    return tqdm(total=len(windows.items), desc=set_.name, unit="window", leave=False)


def validation_arrays(
    sets: Sequence[EvaluationSet], manifest: Manifest, scene_normalisation: Normalisation | None = None
) -> tuple[NDArray[np.float32], Arrays, Arrays]:
    """Evaluation sets as one pile of arrays; a window counts for the heads that it is asked about.

    `scene_normalisation` is that of overlays, where they have one of their own.
    """
    heads = manifest.labels
    asked = [windows_of(set_, heads) for set_ in sets]
    mels = np.concatenate([inputs(windows.items, manifest, scene_normalisation) for windows in asked])
    targets = {
        head: np.zeros((len(mels), len(labels)), np.float32) for head, labels in manifest.labels.items()
    }
    weights = {head: np.zeros(len(mels), np.float32) for head in manifest.labels}
    first = 0
    for windows in asked:
        for head, questions in windows.asked.items():
            for n, item in questions:
                targets[head][first + n, heads[head].index(item.label)] = 1
                weights[head][first + n] = 1
        first += len(windows.items)
    return mels, targets, weights
