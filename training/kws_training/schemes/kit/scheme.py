"""The kit's scheme as one object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kws_device.front_end import Normalisation
from kws_device.model.manifest import Manifest

from ...data.corpus import Corpus
from ...evaluation.eval_sets import EvaluationSet, Item, backgrounds_of, evaluation_sets, material
from .recipe import FORMAT, KitRecipe, with_epochs
from .train import train

if TYPE_CHECKING:
    import keras


class KitScheme:
    """Waveforms mixed at a true signal-to-noise ratio, one residual network, two heads."""

    format = FORMAT
    with_epochs = staticmethod(with_epochs)
    train = staticmethod(train)

    def folds(self, recipe: KitRecipe) -> str:
        """See `Scheme`."""
        return "documented"

    def training_step(
        self, recipe: KitRecipe, rng: np.random.Generator
    ) -> tuple[keras.utils.PyDataset, keras.Model]:
        """See `Scheme`."""
        from .made_up import training_step

        return training_step(recipe, rng)

    def training_windows(
        self, recipe: KitRecipe, corpus: Corpus, manifest: Manifest, count: int, rng: np.random.Generator
    ) -> list[Item]:
        """See `Scheme`."""
        from .examples import Examples

        examples = Examples(corpus, recipe)
        plan = np.resize(examples.plan(rng), count)
        return [Item("", "", "", sound) for sound in examples.draw(plan, rng)[0]]

    def eval_sets(
        self,
        recipe: KitRecipe,
        manifest: Manifest,
        corpus: Corpus,
        snrs_db: Sequence[float],
        own: Normalisation | None,
    ) -> Iterator[EvaluationSet]:
        """See `Scheme`."""
        length = manifest.front_end.clip_samples
        data, backgrounds = material(corpus, length), backgrounds_of(corpus)
        return evaluation_sets(data, backgrounds, snrs_db, length, recipe.seed)

    def overlay_normalisation(self, run: Path) -> Normalisation | None:
        """See `Scheme`: there is none, for nothing is added as spectrograms."""
        return None


KIT = KitScheme()
