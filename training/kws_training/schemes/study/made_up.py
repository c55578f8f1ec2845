"""Random spectrograms, to measure the speed of training."""

from __future__ import annotations

import keras
import numpy as np

from kws_device.front_end import Normalisation
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from .batches import SpectrogramBatches
from .examples import Examples
from .features import Features
from .network import compiled
from .recipe import StudyRecipe
from .stages import stage_of

_WORDS, _SCENES = 2048, 256
_SCENE_LABELS = 10
_CLOSED_SET = 30
"""Words, where the recipe names none."""


def training_step(recipe: StudyRecipe, rng: np.random.Generator) -> tuple[keras.utils.PyDataset, keras.Model]:
    """An epoch's batches of noise, and the compiled network; see `Scheme.training_step`."""
    front_end = recipe.front_end
    normalisation = Normalisation((0.0,) * front_end.mels, (1.0,) * front_end.mels)

    def examples(count: int, frames: int, labels: int) -> Examples:
        mels = rng.standard_normal((count * frames, front_end.mels), dtype=np.float32)
        one_hot = np.eye(labels, dtype=np.float32)[np.arange(count) % labels]
        return Examples(Features(mels, frames * np.arange(1, count + 1)), one_hot, normalisation, frames)

    labels = {KEYWORD_HEAD: len(recipe.keywords) or _CLOSED_SET, SCENE_HEAD: _SCENE_LABELS}
    datasets = {}
    if recipe.uses_speech:
        datasets[KEYWORD_HEAD] = examples(_WORDS, front_end.frames, labels[KEYWORD_HEAD])
    if recipe.uses_scenes:
        scene = round(front_end.sample_rate_hz * recipe.data.scene_ms / 1000)
        datasets[SCENE_HEAD] = examples(_SCENES, front_end.frames_of(scene), _SCENE_LABELS)
    batches = SpectrogramBatches(datasets, recipe, stage_of(recipe), 0)
    heads = {head: labels[head] for head in recipe.model.heads}
    return batches, compiled(recipe, heads, len(batches))
