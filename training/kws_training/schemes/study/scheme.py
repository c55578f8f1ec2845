"""The study's scheme as one object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kws_device.front_end import Normalisation
from kws_device.model.manifest import Manifest

from ...data.corpus import Corpus
from ...evaluation.eval_sets import EvaluationSet, Item
from .eval_sets import eval_sets, recall_normalisation, training_windows
from .recipe import FORMAT, StudyRecipe, with_epochs
from .train import train

if TYPE_CHECKING:
    import keras


class StudyScheme:
    """Spectrograms of words and scenes added by weight, an AlexNet, one head or two."""

    format = FORMAT
    with_epochs = staticmethod(with_epochs)
    train = staticmethod(train)

    def folds(self, recipe: StudyRecipe) -> str:
        """See `Scheme`."""
        return recipe.data.folds

    def training_step(
        self, recipe: StudyRecipe, rng: np.random.Generator
    ) -> tuple[keras.utils.PyDataset, keras.Model]:
        """See `Scheme`."""
        from .made_up import training_step

        return training_step(recipe, rng)

    def training_windows(
        self, recipe: StudyRecipe, corpus: Corpus, manifest: Manifest, count: int, rng: np.random.Generator
    ) -> list[Item]:
        """See `Scheme`."""
        return training_windows(recipe, corpus, manifest, count, rng)

    def eval_sets(
        self,
        recipe: StudyRecipe,
        manifest: Manifest,
        corpus: Corpus,
        snrs_db: Sequence[float],
        own: Normalisation | None,
    ) -> Iterator[EvaluationSet]:
        """See `Scheme`."""
        return eval_sets(recipe, manifest, corpus, snrs_db, own)

    def overlay_normalisation(self, run: Path) -> Normalisation | None:
        """See `Scheme`."""
        return recall_normalisation(run)


STUDY = StudyScheme()
