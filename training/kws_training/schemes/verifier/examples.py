"""Training windows of a verifier: words that stand alone, and all that a first network takes for them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import log_mel

from ...data.corpus import Recording
from ...data.segments import background_gain, from_db, power, random_crop, word_extent
from ...signal.reverb import in_room, room_response
from ..kit.augmentation import faster
from .recipe import VerifierRecipe
from .sound import Sounds

REFUSED = "_refused_"
"""Label of everything that is no keyword standing alone."""

_FADE_S = 0.015
_MARGIN_S = 0.04
"""Sound that is kept on either side of a word that is cut out of its clip."""
_LOST = (0.35, 0.75)
"""Share of a word that its fragments have lost."""
_AROUND_S = (0.5, 1.0)
"""Length of running speech of which a piece as long as a word is cut out."""
_STEP = 160
"""Samples of the steps in which its energy is looked at."""
_SAME_VOICE_DB = 4.0
"""By which the parts of a sentence may differ in level."""
_CONTEXT_S = (0.4, 1.2)
"""Length of what was said before a word that stands alone."""
_HARD_EARLIER_S, _HARD_LATER_S = 0.1, 0.2
"""By which a mined stretch may be looked at earlier or later than the delay says."""
_ALONE_GAIN_DB = (-15.0, 10.0)
_ROOMS_STREAM = 1 << 31
_ROOMS = 256


class Kind(IntEnum):
    """What a window holds."""

    KEYWORD = 0
    OTHER = 1
    SENTENCE = 2
    FRAGMENT = 3
    TALK = 4
    HARD = 5
    SILENCE = 6


class Examples:
    """Draws windows as the recipe says; the same generator, the same windows."""

    def __init__(self, sounds: Sounds, recipe: VerifierRecipe) -> None:
        self._sounds = sounds
        self._recipe = recipe
        self._rate = recipe.front_end.sample_rate_hz
        self._length = recipe.stretch.clip_samples
        rng = np.random.default_rng([recipe.seed, _ROOMS_STREAM])
        self._rooms = [*sounds.rooms, *(room_response(self._rate, rng) for _ in range(_ROOMS))]
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
        change = self._recipe.augmentation
        sounds = np.zeros((len(plan), self._length), np.float32)
        label = np.full(len(plan), len(self._recipe.keywords))
        for i, kind in enumerate(plan):
            if kind in (Kind.KEYWORD, Kind.OTHER, Kind.FRAGMENT):
                foreground, level, word = self._word(Kind(kind), rng)
                if kind == Kind.KEYWORD:
                    label[i] = word
                sounds[i] = self._over_background(self._in_room(foreground, rng), level, rng)
            elif kind == Kind.SENTENCE:
                sounds[i] = self._noisy(self._in_room(self._sentence(rng), rng), rng)
            elif kind == Kind.SILENCE:
                sounds[i] = self._noise(rng) * _gain(rng, *_ALONE_GAIN_DB)
            else:
                sounds[i] = self._noisy(self._talk(rng) if kind == Kind.TALK else self._hard(rng), rng)
            sounds[i] *= _gain(rng, -change.gain_db, change.gain_db)
            if rng.random() < change.clipped_share:
                np.clip(sounds[i], -1, 1, out=sounds[i])
        return sounds, label

    def mels(self, sounds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mels through the device's own front end, shape (n, frames, mels), in dB."""
        return log_mel(sounds, self._recipe.stretch)

    def _clip(self, kind: Kind, rng: np.random.Generator) -> tuple[NDArray[np.float32], int]:
        """A word at another speed, and the index of its label."""
        words = self._others if kind == Kind.OTHER else self._keywords
        recording = words.choose(rng, self._recipe.epoch.synthetic_share)
        by = float(np.exp(rng.uniform(-1, 1) * np.log1p(self._recipe.augmentation.speed)))
        label = recording.label
        keywords = self._recipe.keywords
        return faster(recording.samples, by), keywords.index(label) if label in keywords else len(keywords)

    def _word(self, kind: Kind, rng: np.random.Generator) -> tuple[NDArray[np.float32], float, int]:
        """A word that stands alone, or a fragment of one; its power; the index of its label."""
        place = self._recipe.placement
        clip, label = self._clip(kind, rng)
        first, last = word_extent(clip)
        if kind == Kind.FRAGMENT:
            lost = int(rng.uniform(*_LOST) * (last - first))
            first, last = (first + lost, last) if rng.random() < 0.5 else (first, last - lost)
            clip, first, last = self._cut(clip, first, last)
        window = np.zeros(self._length, np.float32)
        start = self._length - self._samples(place.behind_min_s, place.behind_max_s, rng) - last
        _add(window, clip, start)
        if self._sounds.talk and rng.random() < place.context_share:
            said = self._piece(_CONTEXT_S, power(clip[first:last]), rng)
            pause = self._samples(place.pause_s, 2 * place.pause_s, rng)
            _add(window, said, start + first - pause - len(said))
        return window, power(clip), label

    def _sentence(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """A keyword with running speech before it, behind it, or both, and no pause between."""
        place = self._recipe.placement
        clip, _ = self._clip(Kind.KEYWORD, rng)
        word, first, last = self._cut(clip, *word_extent(clip))
        level = power(word)
        window = np.zeros(self._length, np.float32)
        before, behind = ((True, False), (False, True), (True, True))[rng.integers(3)]
        least = max(place.behind_min_s, place.behind_max_s / 2 if behind else 0.0)
        end = self._length - self._samples(least, place.behind_max_s, rng)
        _add(window, word, end - last)
        if before:
            said = self._piece((0.4, 2.0), level, rng)
            _add(window, said, end - last + first - self._samples(0, place.gap_s, rng) - len(said))
        if behind:
            _add(window, self._piece((0.6, 1.0), level, rng), end + self._samples(0, place.gap_s, rng))
        return window

    def _talk(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """A window of continuous speech, or one piece of it where a word would be."""
        place = self._recipe.placement
        if rng.random() >= self._recipe.epoch.pieces_share:
            return self._crop(self._sounds.talk, self._length, rng)
        window = np.zeros(self._length, np.float32)
        piece = self._faded(
            between_pauses(self._crop(self._sounds.talk, self._samples(*_AROUND_S, rng), rng))
        )
        behind = self._samples(place.behind_min_s, place.behind_max_s, rng)
        _add(window, piece, self._length - behind - len(piece))
        return window

    def _hard(self, rng: np.random.Generator) -> NDArray[np.float32]:
        stretch = self._sounds.hard[int(rng.integers(len(self._sounds.hard)))]
        delay_s = self._recipe.look.delay_ms / 1000
        return stretch.window(
            self._length, self._samples(delay_s - _HARD_EARLIER_S, delay_s + _HARD_LATER_S, rng)
        )

    def _cut(self, clip: NDArray[np.float32], first: int, last: int) -> tuple[NDArray[np.float32], int, int]:
        """A part of a clip with a little around it, faded; and where that part is in the result."""
        margin = round(_MARGIN_S * self._rate)
        start = max(first - margin, 0)
        return self._faded(clip[start : last + margin]), first - start, last - start

    def _piece(
        self, length_s: tuple[float, float], level: float, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """A faded piece of running speech, about as loud as `level` (a mean square)."""
        piece = self._faded(self._crop(self._sounds.talk, self._samples(*length_s, rng), rng))
        own = power(piece)
        if not own or not level:
            return piece
        factor = np.float32(np.sqrt(level / own)) * _gain(rng, -_SAME_VOICE_DB, _SAME_VOICE_DB)
        return (piece * factor).astype(np.float32)

    def _faded(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        ramp = np.arange(len(sound)) / (_FADE_S * self._rate)
        return (sound * np.minimum(1, np.minimum(ramp, ramp[::-1]))).astype(np.float32)

    def _crop(
        self, recordings: Sequence[NDArray[np.float32]], length: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        crop = random_crop(recordings[int(rng.integers(len(recordings)))], length, rng)
        return np.zeros(length, np.float32) if crop is None else crop

    def _noise(self, rng: np.random.Generator) -> NDArray[np.float32]:
        return self._crop(self._sounds.noise, self._length, rng)

    def _in_room(self, sound: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        if rng.random() >= self._recipe.augmentation.room_share:
            return sound
        return in_room(sound, self._rooms[rng.integers(len(self._rooms))])

    def _over_background(
        self, word: NDArray[np.float32], level: float, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """A word over noise, over somebody else's talk, or alone."""
        change = self._recipe.augmentation
        if rng.random() < change.clean_share:
            return word
        if self._sounds.talk and rng.random() < change.talk_share:
            background = self._crop(self._sounds.talk, self._length, rng)
            snr_db = rng.uniform(change.talk_snr_min_db, change.snr_max_db)
        elif self._sounds.noise:
            background = self._noise(rng)
            snr_db = rng.uniform(change.snr_min_db, change.snr_max_db)
        else:
            return word
        return _mixed(word, background, level, snr_db)

    def _noisy(self, speech: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Running speech, now and then over noise."""
        change = self._recipe.augmentation
        if not self._sounds.noise or rng.random() >= change.noisy_talk_share:
            return speech
        snr_db = rng.uniform(max(0.0, change.snr_min_db), change.snr_max_db)
        return _mixed(speech, self._noise(rng), power(speech), snr_db)

    def _samples(self, least_s: float, most_s: float, rng: np.random.Generator) -> int:
        return int(rng.uniform(least_s, most_s) * self._rate)


def between_pauses(speech: NDArray[np.float32]) -> NDArray[np.float32]:
    """The middle of a stretch of speech, cut where its beginning and its end are quietest.

    Words begin and end there more often than elsewhere.

    Args:
        speech: shape (n,), at least four steps of 10 ms long.

    Returns:
        at least a third of it, shape (m,).
    """
    steps = len(speech) // _STEP
    energy = np.square(speech[: steps * _STEP]).reshape(steps, _STEP).sum(axis=1)
    third = steps // 3
    first = int(energy[:third].argmin())
    last = steps - third + int(energy[steps - third :].argmin())
    return speech[first * _STEP : last * _STEP]


class _Words:
    """Recordings by word; every word is chosen by the root of how often it was recorded."""

    def __init__(self, real: list[Recording], synthetic: list[Recording]) -> None:
        self._sources = [(items, _weights(items)) for items in (real, synthetic)]

    def any(self) -> bool:
        return any(items for items, _ in self._sources)

    def choose(self, rng: np.random.Generator, synthetic_share: float) -> Recording:
        (real, of_real), (synthetic, of_synthetic) = self._sources
        if not real or (synthetic and rng.random() < synthetic_share):
            return synthetic[int(np.searchsorted(of_synthetic, rng.random()))]
        return real[int(np.searchsorted(of_real, rng.random()))]


def _by_word(sounds: Sounds, recipe: VerifierRecipe, keyword: bool) -> _Words:
    def of(recordings: Sequence[Recording]) -> list[Recording]:
        return [
            item
            for item in recordings
            if (item.clip.label in recipe.keywords) == keyword and item.clip.label not in recipe.left_out
        ]

    return _Words(of(sounds.words), of(sounds.voices))


def _weights(items: Sequence[Recording]) -> NDArray[np.float64]:
    """Cumulative probabilities; rare words are drawn more often than they were recorded."""
    if not items:
        return np.zeros(0)
    _, word, count = np.unique([item.clip.label for item in items], return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(count[word])
    return np.cumsum(weight / weight.sum())


def _add(window: NDArray[np.float32], sound: NDArray[np.float32], start: int) -> None:
    """Add a sound to a window from `start` on; what lies outside is cut off."""
    first, last = max(start, 0), min(start + len(sound), len(window))
    if first < last:
        window[first:last] += sound[first - start : last - start]


def _mixed(
    speech: NDArray[np.float32], background: NDArray[np.float32], level: float, snr_db: float
) -> NDArray[np.float32]:
    below = power(background)
    if not below or not level:
        return speech
    return speech + background * np.float32(background_gain(level, below, snr_db))


def _gain(rng: np.random.Generator, least_db: float, most_db: float) -> np.float32:
    return np.float32(np.sqrt(from_db(rng.uniform(least_db, most_db))))
