"""Batches for Keras: windows become normalised mels, and every epoch can be drawn again."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import Normalisation
from kws_device.manifest import KEYWORD_HEAD, SCENE_HEAD, Manifest

from .augmentation import blanked
from .evaluation import inputs, windows_of
from .examples import Examples
from .recipe import Recipe
from .test_sets import EvaluationSet

Arrays = dict[str, NDArray[np.float32]]


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The training windows of one epoch, a function of seed, epoch and batch number alone."""

    def __init__(
        self,
        examples: Examples,
        recipe: Recipe,
        normalisation: Normalisation,
        labels: dict[str, int],
        epoch: int,
    ) -> None:
        """`labels` gives the number of labels by head."""
        super().__init__(workers=2, use_multiprocessing=False, max_queue_size=8)
        self._examples = examples
        self._recipe = recipe
        self._normalisation = normalisation
        self._labels = labels
        self._epoch = epoch
        self._plan = examples.plan(np.random.default_rng([recipe.seed, epoch]))

    def __len__(self) -> int:
        # An incomplete last batch would make its windows count more than others.
        return max(1, len(self._plan) // self._recipe.optimisation.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], Arrays, Arrays]:
        size = self._recipe.optimisation.batch_size
        rng = np.random.default_rng([self._recipe.seed, self._epoch, index])
        sounds, targets = self._examples.draw(self._plan[index * size : (index + 1) * size], rng)
        mels = self._normalisation.apply(self._examples.mels(sounds))
        change = self._recipe.augmentation
        for frames in mels:
            blanked(
                frames,
                rng,
                change.time_masks,
                change.time_mask_frames,
                change.mel_masks,
                change.mel_mask_bands,
            )
        wanted = {
            KEYWORD_HEAD: _one_hot(targets.keyword, self._labels[KEYWORD_HEAD]),
            SCENE_HEAD: _one_hot(targets.scene, self._labels[SCENE_HEAD]),
        }
        return mels, wanted, {KEYWORD_HEAD: targets.keyword_weight, SCENE_HEAD: targets.scene_weight}


def _one_hot(index: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    return np.eye(count, dtype=np.float32)[index]


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
