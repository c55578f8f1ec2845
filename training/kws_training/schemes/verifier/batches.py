"""Batches for Keras: normalised mels with masks that are new in every epoch."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import Normalisation
from kws_device.model.manifest import VERIFIER_OUTPUT

from ...signal.augment import augmented
from .examples import Examples
from .placement import Kind
from .recipe import VerifierRecipe
from .steps import mask_steps, mel_steps

_MASKS_STREAM = 1 << 29
"""Of random numbers; the epochs' start at 0."""


class Drawn:
    """Windows of the epochs, a function of seed, epoch and batch number alone; kept where they repeat."""

    def __init__(self, examples: Examples, recipe: VerifierRecipe) -> None:
        self._examples = examples
        self._recipe = recipe
        self._kept: dict[tuple[int, int], tuple[NDArray[np.float16], NDArray[np.int64]]] = {}

    def plan(self, epoch: int) -> NDArray[np.int64]:
        """The kinds of the windows of an epoch (`Examples.plan`)."""
        return self._examples.plan(np.random.default_rng([self._recipe.seed, self._drawn(epoch)]))

    def batch(
        self, plan: NDArray[np.int64], epoch: int, index: int
    ) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        """Mels in dB of a part of an epoch's plan, shape (n, frames, mels), and the labels' indices."""
        key = (self._drawn(epoch), index)
        if key in self._kept:
            return self._kept[key]
        sounds, labels = self._examples.draw(plan, np.random.default_rng([self._recipe.seed, *key]))
        batch = self._examples.mels(sounds).astype(np.float16), labels
        if self._recipe.epoch.cached_epochs < self._recipe.optimisation.epochs:
            self._kept[key] = batch
        return batch

    def _drawn(self, epoch: int) -> int:
        return epoch % self._recipe.epoch.cached_epochs


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The windows of one epoch, with weights of mined stretches that grow from epoch to epoch."""

    def __init__(
        self, drawn: Drawn, recipe: VerifierRecipe, normalisation: Normalisation, epoch: int
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=8)
        self._drawn = drawn
        self._recipe = recipe
        self._mel_steps, self._mask_steps = mel_steps(recipe), mask_steps(recipe)
        self._normalisation = normalisation
        self._epoch = epoch
        self._plan = drawn.plan(epoch)

    def __len__(self) -> int:
        return max(1, len(self._plan) // self._recipe.optimisation.batch_size)

    def __getitem__(
        self, index: int
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]], NDArray[np.float32]]:
        size = self._recipe.optimisation.batch_size
        plan = self._plan[index * size : (index + 1) * size]
        mels, labels = self._drawn.batch(plan, self._epoch, index)
        rng = np.random.default_rng([self._recipe.seed, _MASKS_STREAM, self._epoch, index])
        targets = np.eye(len(self._recipe.keywords) + 1, dtype=np.float32)[labels]
        return self._changed(mels, rng), {VERIFIER_OUTPUT: targets}, self._weights(plan)

    def _changed(self, mels: NDArray[np.float16], rng: np.random.Generator) -> NDArray[np.float32]:
        heard = [augmented(frames, self._mel_steps, rng) for frames in mels.astype(np.float32)]
        normalised = self._normalisation.apply(np.stack(heard))
        return np.stack([augmented(frames, self._mask_steps, rng) for frames in normalised])

    def _weights(self, plan: NDArray[np.int64]) -> NDArray[np.float32]:
        optimisation = self._recipe.optimisation
        progress = self._epoch / max(1, optimisation.epochs - 1)
        weights = np.ones(len(plan), np.float32)
        weights[plan == Kind.HARD] += (optimisation.hard_weight - 1) * progress
        return weights
