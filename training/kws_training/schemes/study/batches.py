"""Batches of the study's mixture for Keras; every epoch can be drawn again."""

from __future__ import annotations

import math
from collections.abc import Mapping

import keras
import numpy as np
from numpy.typing import NDArray

from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from ...signal.mixing import draw_weights, fit_batch, fit_frames, mix
from .augmentation import augmented
from .examples import Batch, Examples
from .recipe import StudyRecipe
from .stages import Stage


class SpectrogramBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of one epoch, a function of recipe, ratio, epoch and batch number alone.

    An epoch covers the larger dataset once. The smaller one is gone through again and again, in a new
    order each time, so that the last batch of a pass is shorter; it is fitted to the others' length.
    """

    def __init__(
        self,
        datasets: Mapping[str, Examples],
        recipe: StudyRecipe,
        stage: Stage,
        epoch: int,
    ) -> None:
        """`datasets` by head: one to be trained on alone, or both."""
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self._datasets = datasets
        self._recipe = recipe
        self._stage = stage
        self._seed = [recipe.seed, stage.number, epoch]
        size = recipe.optimisation.batch_size
        self._steps = max(math.ceil(len(dataset.labels) / size) for dataset in datasets.values())
        self._plan = {
            name: self._batches(len(dataset.labels), size, number)
            for number, (name, dataset) in enumerate(datasets.items())
        }

    def _batches(self, count: int, size: int, number: int) -> list[NDArray[np.int64]]:
        rng = np.random.default_rng([*self._seed, 0, number])
        batches: list[NDArray[np.int64]] = []
        while len(batches) < self._steps:
            order = rng.permutation(count)
            batches += [order[start : start + size] for start in range(0, count, size)]
        return batches[: self._steps]

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[Batch, dict[str, Batch], dict[str, Batch]]:
        rng = np.random.default_rng([*self._seed, 1, index])
        size = self._recipe.optimisation.batch_size
        frames = self._recipe.front_end.frames
        mels: dict[str, Batch] = {}
        labels: dict[str, Batch] = {}
        weights = dict.fromkeys(self._datasets, 1.0)
        for name, batches in self._plan.items():
            dataset = self._datasets[name]
            batch, label = augmented(*dataset.draw(batches[index], rng), self._recipe.augmentation, rng)
            mels[name] = fit_frames(fit_batch(batch, size), frames, rng)
            labels[name] = fit_batch(label, size)
        if len(mels) == 1:
            (mixed,) = mels.values()
        else:
            change = self._recipe.mixing
            a, b = draw_weights(self._stage.ratio, self._stage.randomness, change.opposite, rng)
            mixed = mix(mels[KEYWORD_HEAD], mels[SCENE_HEAD], (a, b))
            if change.scale_labels:
                weights = {KEYWORD_HEAD: a, SCENE_HEAD: b}
        heads = self._recipe.model.heads
        # The fused softmax and cross-entropy has the right gradient only for labels that sum to 1, so
        # the scale of the labels goes where it has the same effect: in front of the loss.
        scales = {head: np.full(size, weights[head], dtype=np.float32) for head in heads}
        return mixed, {head: labels[head] for head in heads}, scales
