"""Distillation: the scores of a finished model become part of the targets."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError
from kws_device.model import model_file
from kws_device.model.engine import load_engine
from kws_device.model.manifest import KEYWORD_HEAD, Manifest

from ...evaluation.scoring import Predict, engine_predictor, keras_predictor
from ...loop import runs


def check_teacher(teacher: Path, manifest: Manifest) -> None:
    """Hold a model that is to teach against the manifest of the model in training.

    Args:
        teacher: folder of a run, model file, or name of a shipped model.
        manifest: of the model that is taught.

    Raises:
        InputError: no model, or one with another front end or other labels than `manifest`'s.
    """
    theirs = _manifest(teacher)
    if theirs.front_end != manifest.front_end:
        raise InputError(f"{teacher}: a teacher with another front end; train it with the same [front_end]")
    if theirs.labels != manifest.labels:
        raise InputError(f"{teacher}: a teacher with other labels; train it on the same words and scenes")
    _balance(teacher, theirs)


class Teacher:
    """Scores of another model for the same sound. Source: Hinton et al., 2015, at temperature 1."""

    def __init__(self, teacher: Path, shares: NDArray[np.float64]) -> None:
        """A model that reads the same mels and says the same labels (`check_teacher`).

        Args:
            teacher: folder of a run, whose best model it is; model file; or name of a shipped model.
            shares: of the keyword labels in the training of the model that is taught, shape (labels,).

        Raises:
            InputError: no model, or one that cannot be loaded.
        """
        manifest = _manifest(teacher)
        self._odds = (shares ** _balance(teacher, manifest)).astype(np.float32)
        self._normalisation = manifest.normalisation
        self._predict = (
            keras_predictor(runs.load_keras(teacher / runs.MODEL)) if teacher.is_dir() else _file(teacher)
        )

    def scores(self, mels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """By head, shape (n, labels); the keywords' as unequal as they are in training (`balance`).

        May be asked by several threads at once.

        Args:
            mels: in dB, shape (n, frames, mels).
        """
        scores = self._predict(self._normalisation.apply(mels))
        keyword = scores[KEYWORD_HEAD] * self._odds
        return {**scores, KEYWORD_HEAD: keyword / keyword.sum(axis=1, keepdims=True)}


def _manifest(teacher: Path) -> Manifest:
    if teacher.is_dir():
        return runs.read_manifest(teacher)
    return model_file.read(model_file.find(teacher)).manifest


def _balance(teacher: Path, manifest: Manifest) -> float:
    """How much of the labels' shares its training took back; 0 where its recipe knows of none."""
    optimisation = manifest.recipe.get("optimisation")
    balance = optimisation.get("balance", 0.0) if isinstance(optimisation, dict) else 0.0
    if not isinstance(balance, int | float) or not 0 <= balance <= 1:
        raise InputError(f"{teacher}: optimisation.balance is {balance!r}, not 0 to 1; take another teacher")
    return float(balance)


def _file(name: Path) -> Predict:
    # An interpreter has one set of tensors; two threads would write over each other's.
    one_at_a_time = Lock()
    ask = engine_predictor(load_engine(model_file.read(model_file.find(name))))

    def predict(mels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        with one_at_a_time:
            return ask(mels)

    return predict
