"""Validation of a verifier: keywords said alone, and mined sound without keywords."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import InputError, Spotter
from kws_device.front_end import log_mel
from kws_device.model.engine import load_engine
from kws_device.model.manifest import KEYWORD_HEAD
from kws_device.model.model_file import ModelFile

from ...data.mined import Stretch
from ...mining.candidates import lowered
from .examples import Examples
from .placement import Kind
from .recipe import VerifierRecipe
from .sound import Sounds

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From normalised mels, shape (n, frames, mels), to scores, shape (n, labels)."""

RATES_PER_HOUR = (0.5, 1.0, 2.0, 4.0)
"""Rates of false accepts over whose thresholds the recall is averaged: one rate is one window's chance."""

_WORDS = 1000
_WORDS_STREAM = 1 << 28
"""Of random numbers; the epochs' start at 0."""
_BEHIND_S = 1.5
"""Sound that the first network hears behind a word."""
_SUREST = 1e-6


@dataclass(frozen=True)
class Candidates:
    """What the verifier is asked about."""

    mels: NDArray[np.float32]
    """Normalised, shape (n, frames, mels)."""
    word: NDArray[np.int64]
    """Index of the keyword that the first network takes it for, shape (n,)."""
    first: NDArray[np.float64]
    """Log-odds of the first network's strongest score, shape (n,)."""

    def log_odds(self, predict: Predict, first_weight: float) -> NDArray[np.float64]:
        """Of the first network and the verifier together, shape (n,)."""
        if not len(self.word):
            return np.zeros(0)
        scores = predict(self.mels)[np.arange(len(self.word)), self.word]
        return log_odds(scores) + first_weight * self.first


@dataclass(frozen=True)
class Validation:
    """Keywords said alone, and mined sound in which nobody says them to the device."""

    said: Candidates
    """Those at which the first network fires."""
    missed: int
    """Those at which it does not."""
    false: Candidates
    hours: float
    """From which the false candidates were mined."""

    def recall(self, predict: Predict, first_weight: float = 0.0) -> float:
        """Share of the keywords that are heard, averaged over thresholds for RATES_PER_HOUR."""
        said = self.said.log_odds(predict, first_weight)
        false = self.false.log_odds(predict, first_weight)
        heard = [(said > threshold(false, self.hours, rate)).sum() for rate in RATES_PER_HOUR]
        return float(np.mean(heard) / (len(said) + self.missed))


def log_odds(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """log(p / (1 - p)) of scores, shape kept, which are kept a millionth away from 0 and 1."""
    p = np.clip(scores.astype(np.float64), _SUREST, 1 - _SUREST)
    return np.log(p / (1 - p))


def threshold(false: NDArray[np.float64], hours: float, rate_per_hour: float) -> float:
    """The lowest threshold that at most `rate_per_hour * hours` of the false candidates exceed.

    Args:
        false: scores, shape (n,).
        hours: in which they were found.
        rate_per_hour: of false accepts.

    Returns:
        a value halfway between two scores, so that neither depends on the last digit.
    """
    allowed = int(rate_per_hour * hours + 1e-9)
    ranked = np.sort(false)[::-1]
    if allowed >= len(ranked):
        return float(ranked[-1]) - 1.0 if len(ranked) else 0.0
    if allowed == 0:
        return float(ranked[0]) + 0.5
    return float(ranked[allowed - 1] + ranked[allowed]) / 2


def build_validation(sounds: Sounds, hours: float, recipe: VerifierRecipe, first: ModelFile) -> Validation:
    """Place keywords over noise and talk of the validation split, and let the first network listen.

    Args:
        sounds: of the validation split.
        hours: that its mined stretches were mined from.
        recipe: of the verifier.
        first: the first network's file.

    Raises:
        InputError: no mined stretches.
    """
    if not sounds.hard:
        raise InputError(
            "nothing mined of the validation split; kws-data mine --split validation, and name it"
        )
    delay = round(recipe.look.delay_ms / 1000 * recipe.front_end.sample_rate_hz)
    length = recipe.stretch.clip_samples

    def candidates(stretches: Sequence[Stretch]) -> Candidates:
        mels = [log_mel(stretch.window(length, delay), recipe.stretch) for stretch in stretches]
        word = np.array([recipe.keywords.index(stretch.word) for stretch in stretches], np.int64)
        scores = np.array([stretch.score for stretch in stretches])
        shape = (0, recipe.stretch.frames, recipe.stretch.mels)
        heard = np.stack(mels) if mels else np.zeros(shape, np.float32)
        return Candidates(first.manifest.normalisation.apply(heard), word, log_odds(scores))

    said = list(_said(sounds, recipe, first))
    return Validation(candidates(said), _WORDS - len(said), candidates(sounds.hard), hours)


def _said(sounds: Sounds, recipe: VerifierRecipe, first: ModelFile) -> list[Stretch]:
    """Keywords said alone at which the first network fires, as mining would have found them."""
    look = recipe.look
    longer = replace(
        recipe,
        look=replace(look, clip_ms=look.clip_ms + 1000 * _BEHIND_S),
        placement=replace(
            recipe.placement,
            behind_min_s=recipe.placement.behind_min_s + _BEHIND_S,
            behind_max_s=recipe.placement.behind_max_s + _BEHIND_S,
        ),
    )
    examples = Examples(sounds, longer)
    manifest = lowered(first.manifest, look.candidate_threshold, look.candidate_smoothing_s)
    spotter = Spotter(manifest, load_engine(first))
    columns = [manifest.labels[KEYWORD_HEAD].index(word) for word in recipe.keywords]
    rng = np.random.default_rng([recipe.seed, _WORDS_STREAM])
    found = []
    for _ in tqdm(range(_WORDS), "placing words", unit="word", leave=False):
        (sound,), (label,) = examples.draw(np.array([Kind.KEYWORD]), rng)
        spotter.reset()
        word, at, score = recipe.keywords[label], 0, 0.0
        for decision in spotter.feed(sound):
            if at:
                score = max(score, float(decision.scores[KEYWORD_HEAD][columns[label]]))
            elif decision.event is not None and decision.event.keyword == word:
                at = round(decision.end_s * recipe.front_end.sample_rate_hz)
                score = decision.event.score
        if at:
            found.append(Stretch(sound, at, word, score, "placed"))
    return found
