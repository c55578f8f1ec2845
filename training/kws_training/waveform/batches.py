"""Batches for Keras: windows become normalised mels, and every epoch can be drawn again."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import Normalisation
from kws_device.manifest import KEYWORD_HEAD, SCENE_HEAD

from .augmentation import blanked, other_microphone
from .examples import Examples
from .recipe import Recipe
from .teacher import Teacher

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
        teacher: Teacher | None = None,
    ) -> None:
        """`labels` gives the number of labels by head; `teacher` its share of the targets, if any."""
        super().__init__(workers=2, use_multiprocessing=False, max_queue_size=8)
        self._examples = examples
        self._recipe = recipe
        self._normalisation = normalisation
        self._labels = labels
        self._epoch = epoch
        self._teacher = teacher
        self._plan = examples.plan(np.random.default_rng([recipe.seed, epoch]))

    def __len__(self) -> int:
        # An incomplete last batch would make its windows count more than others.
        return max(1, len(self._plan) // self._recipe.optimisation.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], Arrays, Arrays]:
        size = self._recipe.optimisation.batch_size
        rng = np.random.default_rng([self._recipe.seed, self._epoch, index])
        sounds, targets = self._examples.draw(self._plan[index * size : (index + 1) * size], rng)
        change = self._recipe.augmentation
        floor_db = self._recipe.front_end.floor_db
        heard = self._examples.mels(sounds)
        for frames in heard:
            frames += other_microphone(frames.shape[1], rng, change.colour_db, change.narrow_share)
            np.maximum(frames, floor_db, out=frames)
        mels = self._normalisation.apply(heard)
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
        if self._teacher is not None:
            share = np.float32(self._recipe.optimisation.teacher_share)
            for head, scores in self._teacher.scores(heard).items():
                right = scores.argmax(axis=1) == wanted[head].argmax(axis=1)
                wanted[head][right] += share * (scores - wanted[head])[right]
        return mels, wanted, {KEYWORD_HEAD: targets.keyword_weight, SCENE_HEAD: targets.scene_weight}


def _one_hot(index: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    return np.eye(count, dtype=np.float32)[index]
