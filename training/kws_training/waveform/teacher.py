"""A finished model as teacher: what it hears in a window is told to the model in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_device.errors import InputError
from kws_device.manifest import KEYWORD_HEAD, Manifest

from .. import runs
from .recipe import Recipe


def check_teacher(run: Path, manifest: Manifest) -> None:
    """Hold a run that is to teach against the manifest of the model in training.

    Raises:
        InputError: no finished epoch, or another front end or other labels than `manifest`'s.
    """
    _, theirs = runs.read_run(run)
    if theirs.front_end != manifest.front_end:
        raise InputError(f"{run}: a teacher with another front end; train it with the same [front_end]")
    if theirs.labels != manifest.labels:
        raise InputError(f"{run}: a teacher with other labels; train it on the same words and scenes")


class Teacher:
    """Scores of another run's model for the same sound. Source: Hinton et al., 2015, at temperature 1."""

    def __init__(self, run: Path, shares: NDArray[np.float64]) -> None:
        """The best model of a run that reads the same mels and says the same labels (`check_teacher`).

        Args:
            run: its folder.
            shares: of the keyword labels in the training of the model that is taught, shape (labels,).

        Raises:
            InputError: no run, or a model that cannot be loaded.
        """
        recipe, manifest = runs.read_run(run)
        balance = recipe.optimisation.balance if isinstance(recipe, Recipe) else 0.0
        self._odds = (shares**balance).astype(np.float32)
        self._normalisation = manifest.normalisation
        self._model = runs.load_keras(run / runs.MODEL)

    def scores(self, mels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """By head, shape (n, labels); the keywords' as unequal as they are in training (`balance`).

        Args:
            mels: in dB, shape (n, frames, mels).
        """
        import keras

        outputs = self._model(self._normalisation.apply(mels), training=False)
        scores = {head: keras.ops.convert_to_numpy(values) for head, values in outputs.items()}
        keyword = scores[KEYWORD_HEAD] * self._odds
        return {**scores, KEYWORD_HEAD: keyword / keyword.sum(axis=1, keepdims=True)}
