"""Random recordings, to measure the speed of training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import Normalisation
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from ...data.corpus import Corpus, Recording, keyword_labels
from ...data.layouts import Clip
from .batches import Batches, Drawn
from .examples import Examples
from .model import compiled, new_network
from .recipe import KitRecipe

_WORDS, _SCENES = 2048, 256
_SCENE_S = 5
_SCENE_LABELS = 10
_AMPLITUDE = 0.1


def training_step(recipe: KitRecipe, rng: np.random.Generator) -> tuple[keras.utils.PyDataset, keras.Model]:
    """An epoch's batches of noise, each drawn anew, and the compiled network; see `Scheme.training_step`."""
    rate, length = recipe.front_end.sample_rate_hz, recipe.front_end.clip_samples
    words = keyword_labels(recipe.keywords)[:-1]

    def noise(count: int, samples: int) -> list[NDArray[np.float32]]:
        return list(_AMPLITUDE * rng.standard_normal((count, samples), dtype=np.float32))

    def recordings(labels: list[str], samples: int) -> list[Recording]:
        return [
            Recording(sound, label, Clip(Path(label), label, "train", label))
            for sound, label in zip(noise(len(labels), samples), labels, strict=True)
        ]

    corpus = Corpus(
        recordings([words[i % len(words)] for i in range(_WORDS)], length),
        recordings([f"scene {i % _SCENE_LABELS}" for i in range(_SCENES)], _SCENE_S * rate),
        noise(4, 60 * rate),
        noise(4, 60 * rate),
    )
    examples = Examples(corpus, recipe)
    labels = {KEYWORD_HEAD: len(words) + 1, SCENE_HEAD: _SCENE_LABELS}
    mels = recipe.front_end.mels
    anew = replace(recipe, epoch=replace(recipe.epoch, cached_epochs=recipe.optimisation.epochs))
    normalisation = Normalisation((-40.0,) * mels, (20.0,) * mels)
    batches = Batches(Drawn(examples, anew, labels), recipe, normalisation, 0)
    shares = np.full(labels[KEYWORD_HEAD], 1 / labels[KEYWORD_HEAD])
    return batches, compiled(new_network(recipe, labels), recipe, len(batches), shares)
