"""Training windows of a verifier: words that stand alone, and sound that must be refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import log_mel

from ...data.corpus import Recording
from ...signal.augment import Sound, Step, Watch, Window, augmented, random_gain
from ...signal.reverb import room_response
from .placement import Kind, Placement, cropped
from .recipe import VerifierRecipe
from .sound import Sounds
from .steps import sound_steps

REFUSED = "_refused_"
"""Label of everything that is no keyword standing alone."""

_HARD_EARLIER_S, _HARD_LATER_S = 0.1, 0.2
"""By which a mined stretch may be looked at earlier or later than the delay says."""
_ALONE_GAIN_DB = (-15.0, 10.0)
_ROOMS_STREAM = 1 << 31
_ROOMS = 256


class Examples:
    """Draws windows as the recipe says; the same generator, the same windows."""

    def __init__(self, sounds: Sounds, recipe: VerifierRecipe) -> None:
        """Sort the words, and list the steps of the recipe."""
        self._sounds = sounds
        self._recipe = recipe
        self._rate = recipe.front_end.sample_rate_hz
        self._length = recipe.stretch.clip_samples
        self._placement = Placement(recipe, sounds.talk)
        rng = np.random.default_rng([recipe.seed, _ROOMS_STREAM])
        rooms = [*sounds.rooms, *(room_response(self._rate, rng) for _ in range(_ROOMS))]
        self.steps = sound_steps(recipe, sounds, self._placement, rooms)
        self._keywords = _by_word(sounds, recipe, keyword=True)
        self._others = _by_word(sounds, recipe, keyword=False)

    def plan(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The kinds of an epoch's windows in their order, shape (windows,)."""
        epoch = self._recipe.epoch
        shares = {
            Kind.OTHER: epoch.other_share if self._others.any() else 0.0,
            Kind.SENTENCE: epoch.sentence_share if self._sounds.talk else 0.0,
            Kind.FRAGMENT: epoch.fragment_share,
            Kind.TALK: epoch.talk_share if self._sounds.talk else 0.0,
            Kind.HARD: epoch.hard_share if self._sounds.hard else 0.0,
            Kind.SILENCE: epoch.silence_share if self._sounds.noise else 0.0,
        }
        counts = {kind: round(share * epoch.windows) for kind, share in shares.items()}
        counts[Kind.KEYWORD] = epoch.windows - sum(counts.values())
        kinds = np.repeat([int(kind) for kind in counts], list(counts.values()))
        return rng.permutation(kinds).astype(np.int64)

    def draw(
        self, plan: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The windows of a piece of a plan.

        Returns:
            waveforms, shape (n, clip samples), full scale is 1.0; and the index of each label, shape (n,).
        """
        windows = [self.window(Kind(kind), rng) for kind in plan]
        return np.stack([window.samples for window in windows]), np.array([w.label for w in windows])

    def window(
        self,
        kind: Kind,
        rng: np.random.Generator,
        steps: list[Step[Window]] | None = None,
        watch: Watch[Window] | None = None,
    ) -> Window:
        """One window.

        Args:
            kind: what it holds.
            rng: draws what it is made of, and what happens to it.
            steps: instead of the recipe's.
            watch: see `augmented`.
        """
        refused = len(self._recipe.keywords)
        label = refused
        if kind in (Kind.TALK, Kind.HARD, Kind.SILENCE):
            drawn = {Kind.TALK: self._talk, Kind.HARD: self._hard, Kind.SILENCE: self._silence}
            sound = drawn[kind](rng)
        else:
            words = self._others if kind == Kind.OTHER else self._keywords
            recording = words.choose(rng, self._recipe.epoch.synthetic_prob)
            sound = recording.samples
            if kind == Kind.KEYWORD:
                label = self._recipe.keywords.index(recording.label)
        raw = Window(kind, sound, label)
        return augmented(raw, self.steps if steps is None else steps, rng, kind, watch)

    def mels(self, sounds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mels through the device's own front end, shape (n, frames, mels), in dB."""
        return log_mel(sounds, self._recipe.stretch)

    def _talk(self, rng: np.random.Generator) -> Sound:
        """A window of continuous speech, or one piece of it where a word would be."""
        if rng.random() >= self._recipe.epoch.pieces_prob:
            return cropped(self._sounds.talk, self._length, rng)
        return self._placement.piece_alone(rng)

    def _hard(self, rng: np.random.Generator) -> Sound:
        stretch = self._sounds.hard[int(rng.integers(len(self._sounds.hard)))]
        delay_s = self._recipe.look.delay_ms / 1000
        end_s = rng.uniform(delay_s - _HARD_EARLIER_S, delay_s + _HARD_LATER_S)
        return stretch.window(self._length, int(end_s * self._rate))

    def _silence(self, rng: np.random.Generator) -> Sound:
        return cropped(self._sounds.noise, self._length, rng) * random_gain(rng, *_ALONE_GAIN_DB)


class _Words:
    """Recordings by word; every word is chosen by the root of how often it was recorded."""

    def __init__(self, real: list[Recording], synthetic: list[Recording]) -> None:
        self._sources = [(items, _weights(items)) for items in (real, synthetic)]

    def any(self) -> bool:
        return any(items for items, _ in self._sources)

    def choose(self, rng: np.random.Generator, synthetic_prob: float) -> Recording:
        (real, of_real), (synthetic, of_synthetic) = self._sources
        if not real or (synthetic and rng.random() < synthetic_prob):
            return synthetic[int(np.searchsorted(of_synthetic, rng.random()))]
        return real[int(np.searchsorted(of_real, rng.random()))]


def _by_word(sounds: Sounds, recipe: VerifierRecipe, keyword: bool) -> _Words:
    def of(recordings: Sequence[Recording]) -> list[Recording]:
        return [
            item
            for item in recordings
            if (item.clip.label in recipe.keywords) == keyword
            and item.clip.label not in recipe.held_out_words
        ]

    return _Words(of(sounds.words), of(sounds.voices))


def _weights(items: Sequence[Recording]) -> NDArray[np.float64]:
    """Cumulative probabilities; rare words are drawn more often than they were recorded."""
    if not items:
        return np.zeros(0)
    _, word, count = np.unique([item.clip.label for item in items], return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(count[word])
    return np.cumsum(weight / weight.sum())
