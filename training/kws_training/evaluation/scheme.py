"""The interface of a training scheme."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from kws_device.front_end import Normalisation
from kws_device.model.manifest import Manifest

from ..data.corpus import Corpus, Folders
from ..recipes.format import Format
from ..recipes.parts import RunRecipe
from .eval_sets import EvaluationSet, Item

if TYPE_CHECKING:
    import keras

R = TypeVar("R", bound=RunRecipe)


@dataclass(frozen=True)
class TrainingOptions:
    """What the command line says of a training beside its recipe and its data."""

    resume: bool = False
    """Whether to go on after the last finished epoch of the run."""
    start_from: Path | None = None
    """A run, a float .onnx, or a shipped model's name, whose weights to start from."""
    teacher: Path | None = None
    """A run, a model file, or a shipped model's name, whose scores are a share of the targets."""
    cache: Path | None = None
    """Folder of prepared features; None: the user's cache folder."""


class Scheme(Protocol[R]):
    """One way of making a model: its recipes, its windows, its network, and how its windows are judged."""

    @property
    def format(self) -> Format[R]:
        """How its recipes are written."""

    def with_epochs(self, recipe: R, epochs: int) -> R:
        """The recipe with so many epochs. Raises InputError for a number that trains nothing."""

    def folds(self, recipe: R) -> str:
        """By which of `layouts.FOLDS` the recipe splits UrbanSound8K."""

    def train(self, recipe: R, folders: Folders, out: Path, options: TrainingOptions) -> Path:
        """Train a recipe into the run's folder `out`.

        Returns:
            the path of the best model.

        Raises:
            InputError: data, options or a folder that do not fit; nothing is written then.
        """

    def training_windows(
        self, recipe: R, corpus: Corpus, manifest: Manifest, count: int, rng: np.random.Generator
    ) -> list[Item]:
        """Windows as training has them, in its proportions.

        Args:
            recipe: of the run.
            corpus: of the training split.
            manifest: of the run.
            count: of windows.
            rng: draws them.
        """

    def training_step(self, recipe: R, rng: np.random.Generator) -> tuple[keras.utils.PyDataset, keras.Model]:
        """An epoch's batches of made-up recordings, and the compiled network, to measure their speed.

        Args:
            recipe: any of the scheme.
            rng: draws the recordings, which are noise.
        """

    def eval_sets(
        self,
        recipe: R,
        manifest: Manifest,
        corpus: Corpus,
        snrs_db: Sequence[float],
        own: Normalisation | None,
    ) -> Iterator[EvaluationSet]:
        """What a run is judged on, one set at a time.

        Args:
            recipe: of the run.
            manifest: of the run.
            corpus: one split; where it has no words or no background, there are no mixed sets.
            snrs_db: of the waveform sets.
            own: of the run, see `overlay_normalisation`.
        """

    def overlay_normalisation(self, run: Path) -> Normalisation | None:
        """The normalisation of scenes that are added as spectrograms, where it is not the manifest's.

        Raises:
            InputError: the run's file of it is damaged.
        """


@dataclass(frozen=True)
class TrainedRun:
    """The folder of a run, with what it says of itself."""

    folder: Path
    scheme: Scheme[Any]
    recipe: RunRecipe
    manifest: Manifest
    """As training knows it; export adds metrics and the hash."""
