"""The sounds that training windows are made of: clips by label, backgrounds, rooms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kws_device.model.manifest import SILENCE, UNKNOWN

from ...data.corpus import Corpus, keyword_labels
from ...data.segments import random_crop
from ...signal.augment import Sound
from ...signal.reverb import room_response
from .recipe import KitRecipe

_ROOMS_STREAM = 1 << 31
"""Of random numbers; the epochs' start at 0."""
_ROOMS = 512
"""Enough that no word is learned by its room; a response costs more to draw than to use."""


class Sources:
    """One split's sound, with what a recipe leaves out of it."""

    def __init__(self, corpus: Corpus, recipe: KitRecipe) -> None:
        """Sort the corpus; clips keep one numbering, recorded ones first, then synthetic ones."""
        self._length = recipe.front_end.clip_samples
        self._scene_prob = recipe.augmentation.scene_prob
        labels = keyword_labels(recipe.keywords)
        recorded = [item for item in corpus.speech if item.clip.label not in recipe.held_out_words]
        said = [item for item in corpus.voices if item.clip.label not in recipe.held_out_words]
        speech = [*recorded, *said]
        self.clips = [item.samples for item in speech]
        self.keyword = np.array([labels.index(item.label) for item in speech])
        """Index of each clip's label."""
        rooms = np.random.default_rng([recipe.seed, _ROOMS_STREAM])
        self.rooms = [room_response(recipe.front_end.sample_rate_hz, rooms) for _ in range(_ROOMS)]
        self.scenes = [item.samples for item in corpus.scenes]
        self.scene_labels = sorted({item.label for item in corpus.scenes})
        self._scene = np.array([self.scene_labels.index(item.label) for item in corpus.scenes])
        self.noise = corpus.noise
        self.negatives = corpus.negatives
        self.hard = corpus.hard

        words = np.array([item.clip.label for item in speech])
        synthetic = np.arange(len(speech)) >= len(recorded)
        keyword, other = self.keyword < len(recipe.keywords), self.keyword == labels.index(UNKNOWN)
        self.spoken = np.flatnonzero(keyword & ~synthetic)
        self.synthetic_spoken = np.flatnonzero(keyword & synthetic)
        self.synthetic_unknown = np.flatnonzero(other & synthetic)
        self.unknown = np.flatnonzero(other & ~synthetic)
        self.silent = np.flatnonzero(self.keyword == labels.index(SILENCE))
        self.unknown_weight = _by_root_of_count(words[self.unknown])
        """Probability of each of `unknown`."""

    def talk(self, rng: np.random.Generator) -> Sound | None:
        """A window of continuous speech; None where only silence was found."""
        recording = self.negatives[rng.integers(len(self.negatives))]
        return random_crop(recording, self._length, rng)

    def background(self, rng: np.random.Generator) -> tuple[Sound | None, int | None]:
        """A crop and its scene, None for noise; no crop where there is none, or only silence was found."""
        if not self.noise and not self.scenes:
            return None, None
        if self.scenes and (not self.noise or rng.random() < self._scene_prob):
            choice = int(rng.integers(len(self.scenes)))
            return random_crop(self.scenes[choice], self._length, rng), int(self._scene[choice])
        return random_crop(self.noise[rng.integers(len(self.noise))], self._length, rng), None


def _by_root_of_count(words: NDArray[np.str_]) -> NDArray[np.float64]:
    """Probabilities by the root of a word's count, so that rare words are heard more often than recorded."""
    _, word, count = np.unique(words, return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(count[word])
    return weight / weight.sum() if len(words) else weight
