"""Batches for Keras: normalised mels and targets; every epoch can be drawn again."""

from __future__ import annotations

import math
from threading import Lock

import keras
import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import Normalisation
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from ...signal.augment import augmented
from .distillation import Teacher
from .examples import Examples
from .recipe import KitRecipe
from .steps import mask_steps, mel_steps

Arrays = dict[str, NDArray[np.float32]]
Batch = tuple[NDArray[np.float16], Arrays, Arrays]

_MASKS_STREAM = 1 << 29
"""Of random numbers; the epochs' start at 0."""


class Drawn:
    """Batches of mels and targets, a function of seed, epoch and batch number alone.

    After `epoch.cached_epochs` epochs they repeat: drawing a window, and asking a teacher about it, costs
    more than a step of a small network. The first batches are kept, as many as the memory allows. The
    others are drawn again, and come out the same: how much is kept changes the time of a run, not its
    result.
    """

    def __init__(
        self,
        examples: Examples,
        recipe: KitRecipe,
        labels: dict[str, int],
        teacher: Teacher | None = None,
        most_bytes: float = math.inf,
    ) -> None:
        """Keep what to draw from.

        Args:
            examples: of the training split.
            recipe: of the run.
            labels: number of labels by head.
            teacher: has its share of the targets; None: no teacher.
            most_bytes: of batches kept in memory.
        """
        self._examples = examples
        self._recipe = recipe
        self._labels = labels
        self._teacher = teacher
        self._mel_steps = mel_steps(recipe)
        self._repeats = recipe.epoch.cached_epochs < recipe.optimisation.epochs
        self._most_bytes = most_bytes
        self._kept: dict[tuple[int, int], Batch] = {}
        self.kept_bytes = 0
        """Size of the batches in memory."""
        self._lock = Lock()

    def plan(self, epoch: int) -> NDArray[np.int64]:
        """What the windows of an epoch are (`Examples.plan`)."""
        return self._examples.plan(np.random.default_rng([self._recipe.seed, self._same(epoch)]))

    def batch(self, plan: NDArray[np.int64], epoch: int, index: int) -> Batch:
        """The windows of a part of an epoch's plan.

        Args:
            plan: that part.
            epoch: from 0.
            index: of the part.

        Returns:
            mels in dB, shape (n, frames, mels), float16 (0.06 dB apart at most, a fraction of an int8 step);
            targets and weights by head.
        """
        key = (self._same(epoch), index)
        if key in self._kept:
            return self._kept[key]
        batch = self._draw(plan, np.random.default_rng([self._recipe.seed, *key]))
        with self._lock:
            fits = self.kept_bytes + _bytes(batch) <= self._most_bytes
            if self._repeats and fits and key not in self._kept:
                self._kept[key] = batch
                self.kept_bytes += _bytes(batch)
        return batch

    @property
    def repeated_bytes(self) -> int:
        """Size of all batches that later epochs repeat; 0 where none does."""
        if not self._repeats:
            return 0
        front_end, heads = self._recipe.front_end, self._labels.values()
        size = self._recipe.optimisation.batch_size
        windows = self._recipe.epoch.cached_epochs * size * max(1, len(self.plan(0)) // size)
        mels = front_end.frames * front_end.mels * np.dtype(np.float16).itemsize
        return windows * (mels + np.dtype(np.float32).itemsize * sum(count + 1 for count in heads))

    def _same(self, epoch: int) -> int:
        return epoch % self._recipe.epoch.cached_epochs

    def _draw(self, plan: NDArray[np.int64], rng: np.random.Generator) -> Batch:
        sounds, targets = self._examples.draw(plan, rng)
        mels = self._examples.mels(sounds)
        heard = np.stack([augmented(frames, self._mel_steps, rng) for frames in mels])
        right = {KEYWORD_HEAD: targets.keyword, SCENE_HEAD: targets.scene}
        wanted = {head: _one_hot(right[head], count) for head, count in self._labels.items()}
        if self._teacher is not None:
            share = np.float32(self._recipe.optimisation.teacher_share)
            for head, scores in self._teacher.scores(heard).items():
                agreed = scores.argmax(axis=1) == wanted[head].argmax(axis=1)
                wanted[head][agreed] += share * (scores - wanted[head])[agreed]
        weights = {KEYWORD_HEAD: targets.keyword_weight, SCENE_HEAD: targets.scene_weight}
        return heard.astype(np.float16), wanted, {head: weights[head] for head in wanted}


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The training windows of one epoch, normalised, with masks that are new in every epoch."""

    def __init__(self, drawn: Drawn, recipe: KitRecipe, normalisation: Normalisation, epoch: int) -> None:
        super().__init__(workers=2, use_multiprocessing=False, max_queue_size=8)
        self._drawn = drawn
        self._recipe = recipe
        self._normalisation = normalisation
        self._mask_steps = mask_steps(recipe)
        self._epoch = epoch
        self._plan = drawn.plan(epoch)

    def __len__(self) -> int:
        # An incomplete last batch would make its windows count more than others.
        return max(1, len(self._plan) // self._recipe.optimisation.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], Arrays, Arrays]:
        size = self._recipe.optimisation.batch_size
        part = self._plan[index * size : (index + 1) * size]
        heard, wanted, weights = self._drawn.batch(part, self._epoch, index)
        mels = self._normalisation.apply(heard.astype(np.float32))
        rng = np.random.default_rng([self._recipe.seed, _MASKS_STREAM, self._epoch, index])
        masked = np.stack([augmented(frames, self._mask_steps, rng) for frames in mels])
        return masked, wanted, weights


def _bytes(batch: Batch) -> int:
    mels, *by_head = batch
    return mels.nbytes + sum(array.nbytes for arrays in by_head for array in arrays.values())


def _one_hot(index: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    return np.eye(count, dtype=np.float32)[index]
