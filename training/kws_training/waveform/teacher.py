"""A finished model as teacher: what it hears in a window is told to the model in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_device.errors import InputError
from kws_device.manifest import Manifest

from .. import runs


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

    def __init__(self, run: Path) -> None:
        """The best model of a run that reads the same mels and says the same labels (`check_teacher`).

        Raises:
            InputError: no run, or a model that cannot be loaded.
        """
        _, manifest = runs.read_run(run)
        self._normalisation = manifest.normalisation
        self._model = runs.load_keras(run / runs.MODEL)

    def scores(self, mels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """By head, shape (n, labels).

        Args:
            mels: in dB, shape (n, frames, mels).
        """
        import keras

        outputs = self._model(self._normalisation.apply(mels), training=False)
        return {head: keras.ops.convert_to_numpy(scores) for head, scores in outputs.items()}
