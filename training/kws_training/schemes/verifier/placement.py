"""Places words and pieces of speech in a verifier's window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ...data.segments import power, random_crop, word_extent
from ...signal.augment import Sound, Window, random_gain
from .recipe import VerifierRecipe

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


class Kind(IntEnum):
    """What a window holds."""

    KEYWORD = 0
    OTHER = 1
    SENTENCE = 2
    FRAGMENT = 3
    TALK = 4
    HARD = 5
    SILENCE = 6


class Placement:
    """Puts words and pieces of speech into windows as a recipe says."""

    def __init__(self, recipe: VerifierRecipe, talk: Sequence[Sound]) -> None:
        """Keep the recipe's placement, and the continuous speech that words are joined to."""
        self._place = recipe.placement
        self._talk = talk
        self._rate = recipe.front_end.sample_rate_hz
        self._length = recipe.stretch.clip_samples

    @property
    def range(self) -> str:
        """What it draws from, as people read it."""
        place = self._place
        return f"{place.behind_min_s:g} to {place.behind_max_s:g} s behind a word"

    def placed(self, window: Window, rng: np.random.Generator) -> Window:
        """A word alone, a fragment of one, or a word in a sentence, with the power of its speech.

        Args:
            window: whose samples are a clip of a word.
            rng: draws place, cut and context.
        """
        if window.kind == Kind.SENTENCE:
            return replace(window, samples=self._sentence(window.samples, rng))
        return self._word(window, rng)

    def _word(self, window: Window, rng: np.random.Generator) -> Window:
        place, clip = self._place, window.samples
        first, last = word_extent(clip)
        if window.kind == Kind.FRAGMENT:
            lost = int(rng.uniform(*_LOST) * (last - first))
            first, last = (first + lost, last) if rng.random() < 0.5 else (first, last - lost)
            clip, first, last = self._cut(clip, first, last)
        sound = np.zeros(self._length, np.float32)
        start = self._length - self._samples(place.behind_min_s, place.behind_max_s, rng) - last
        _add(sound, clip, start)
        if self._talk and rng.random() < place.context_prob:
            said = self._piece(_CONTEXT_S, power(clip[first:last]), rng)
            pause = self._samples(place.pause_s, 2 * place.pause_s, rng)
            _add(sound, said, start + first - pause - len(said))
        return replace(window, samples=sound, speech_power=power(clip))

    def _sentence(self, clip: Sound, rng: np.random.Generator) -> Sound:
        """A keyword with running speech before it, behind it, or both, and no pause between."""
        place = self._place
        word, first, last = self._cut(clip, *word_extent(clip))
        level = power(word)
        sound = np.zeros(self._length, np.float32)
        before, behind = ((True, False), (False, True), (True, True))[rng.integers(3)]
        least = max(place.behind_min_s, place.behind_max_s / 2 if behind else 0.0)
        end = self._length - self._samples(least, place.behind_max_s, rng)
        _add(sound, word, end - last)
        if before:
            said = self._piece((0.4, 2.0), level, rng)
            _add(sound, said, end - last + first - self._samples(0, place.gap_s, rng) - len(said))
        if behind:
            _add(sound, self._piece((0.6, 1.0), level, rng), end + self._samples(0, place.gap_s, rng))
        return sound

    def piece_alone(self, rng: np.random.Generator) -> Sound:
        """One piece of running speech where a word would be, shape (clip samples,)."""
        place = self._place
        sound = np.zeros(self._length, np.float32)
        piece = self._faded(between_pauses(cropped(self._talk, self._samples(*_AROUND_S, rng), rng)))
        behind = self._samples(place.behind_min_s, place.behind_max_s, rng)
        _add(sound, piece, self._length - behind - len(piece))
        return sound

    def _cut(self, clip: Sound, first: int, last: int) -> tuple[Sound, int, int]:
        """A part of a clip with a little around it, faded; and where that part is in the result."""
        margin = round(_MARGIN_S * self._rate)
        start = max(first - margin, 0)
        return self._faded(clip[start : last + margin]), first - start, last - start

    def _piece(self, length_s: tuple[float, float], level: float, rng: np.random.Generator) -> Sound:
        """A faded piece of running speech, about as loud as `level` (a mean square)."""
        piece = self._faded(cropped(self._talk, self._samples(*length_s, rng), rng))
        own = power(piece)
        if not own or not level:
            return piece
        factor = np.float32(np.sqrt(level / own)) * random_gain(rng, -_SAME_VOICE_DB, _SAME_VOICE_DB)
        return (piece * factor).astype(np.float32)

    def _faded(self, sound: Sound) -> Sound:
        ramp = np.arange(len(sound)) / (_FADE_S * self._rate)
        return (sound * np.minimum(1, np.minimum(ramp, ramp[::-1]))).astype(np.float32)

    def _samples(self, least_s: float, most_s: float, rng: np.random.Generator) -> int:
        return int(rng.uniform(least_s, most_s) * self._rate)


def cropped(recordings: Sequence[Sound], length: int, rng: np.random.Generator) -> Sound:
    """A random crop of one of the recordings, shape (length,); zeros where only silence was found."""
    crop = random_crop(recordings[int(rng.integers(len(recordings)))], length, rng)
    return np.zeros(length, np.float32) if crop is None else crop


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


def _add(window: Sound, sound: Sound, start: int) -> None:
    """Add a sound to a window from `start` on; what lies outside is cut off."""
    first, last = max(start, 0), min(start + len(sound), len(window))
    if first < last:
        window[first:last] += sound[first - start : last - start]
