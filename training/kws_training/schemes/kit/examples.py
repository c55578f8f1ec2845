"""Training windows of the kit's scheme."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import log_mel
from kws_device.model.manifest import SILENCE, UNKNOWN

from ...data.corpus import Corpus, keyword_labels
from ...data.segments import from_db, power, random_crop
from ...signal.augment import Sound, Step, Watch, Window, augmented, random_gain
from .recipe import KitRecipe
from .sources import Sources
from .steps import Kind, sound_steps

# Background alone is heard at its own level, give or take; now and then there is next to nothing.
_ALONE_GAIN_DB = (-15.0, 10.0)
_NOTHING_PROB = 0.1
_NOTHING_DBFS = (-100.0, -60.0)
# A piece of running speech that is as long as a word, faded so that its cuts are not heard as clicks.
_PIECE_S = (0.25, 0.8)
_FADE_S = 0.02
# A stretch of mined sound made the model fire with the windows that ended about a smoothing time before.
_HARD_END_S = (-0.6, 0.2)
ALONE, TALK, MINED = -1, -2, -3
"""In a plan, beside the numbers of clips: background alone, continuous speech, mined sound."""


@dataclass(frozen=True)
class Targets:
    """What the heads should say of a batch, and how much each window counts."""

    keyword: NDArray[np.int64]
    """Index of the label, shape (n,)."""
    keyword_weight: NDArray[np.float32]
    """Shape (n,)."""
    scene: NDArray[np.int64]
    """Index of the label, shape (n,)."""
    scene_weight: NDArray[np.float32]
    """Shape (n,); 0 where no scene can be heard."""


class Examples:
    """Draws windows from one split's corpus as the recipe says; the same generator, the same windows."""

    def __init__(self, corpus: Corpus, recipe: KitRecipe) -> None:
        """Sort the corpus, and list the steps of the recipe."""
        self._recipe = recipe
        self._length = recipe.front_end.clip_samples
        labels = keyword_labels(recipe.keywords)
        self._unknown, self._silence = labels.index(UNKNOWN), labels.index(SILENCE)
        self._sources = Sources(corpus, recipe)
        self.steps = sound_steps(recipe, self._sources)
        self.scene_labels = self._sources.scene_labels

    def plan(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The order of an epoch: numbers of clips, ALONE, TALK or MINED, shape (windows,)."""
        epoch, sources = self._recipe.epoch, self._sources
        unknown = epoch.unknown_share if len(sources.unknown) or len(sources.synthetic_unknown) else 0.0
        negatives = epoch.negatives_share if sources.negatives else 0.0
        hard = epoch.hard_share if sources.hard else 0.0
        keywords = 1 - epoch.silence_share - unknown - negatives
        of_spoken = epoch.synthetic_keywords_share if len(sources.synthetic_spoken) else 0.0
        synthetic_keywords = keywords * of_spoken
        of_unknown = epoch.synthetic_unknown_share if len(sources.unknown) else 1.0
        synthetic_unknown = unknown * of_unknown if len(sources.synthetic_unknown) else 0.0
        spoken_share = keywords - synthetic_keywords
        repeats = max(1, math.ceil(epoch.least_windows * spoken_share / len(sources.spoken)))
        spoken = np.tile(sources.spoken, repeats)
        total = len(spoken) / spoken_share
        parts = [
            spoken,
            _choice(sources.synthetic_spoken, total * synthetic_keywords, rng),
            _choice(sources.unknown, total * (unknown - synthetic_unknown), rng, sources.unknown_weight),
            _choice(sources.synthetic_unknown, total * synthetic_unknown, rng),
            np.full(int(total * negatives), TALK),
            np.full(int(total * hard / (1 - hard)), MINED),
            np.full(int(total * epoch.silence_share), ALONE),
            sources.silent,
        ]
        return rng.permutation(np.concatenate(parts)).astype(np.int64)

    def draw(self, plan: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.float32], Targets]:
        """The windows of a piece of a plan.

        Returns:
            waveforms, shape (n, clip samples), full scale is 1.0; and their targets.
        """
        windows = [self.window(int(number), rng) for number in plan]
        return np.stack([window.samples for window in windows]), Targets(
            np.array([window.label for window in windows]),
            np.array([window.weight for window in windows], np.float32),
            np.array([window.scene or 0 for window in windows]),
            np.array([window.scene is not None for window in windows], np.float32),
        )

    def window(
        self,
        number: int,
        rng: np.random.Generator,
        steps: list[Step[Window]] | None = None,
        watch: Watch[Window] | None = None,
    ) -> Window:
        """One window of a plan.

        Args:
            number: of a clip, or ALONE, TALK or MINED.
            rng: draws what it is made of, and what happens to it.
            steps: instead of the recipe's.
            watch: see `augmented`.
        """
        drawn = {ALONE: self._alone, TALK: self._talk, MINED: self._mined}
        raw = drawn[number](rng) if number in drawn else self._word(number)
        return augmented(raw, self.steps if steps is None else steps, rng, raw.kind, watch)

    def _word(self, number: int) -> Window:
        return Window(Kind.WORD, self._sources.clips[number], int(self._sources.keyword[number]))

    def _talk(self, rng: np.random.Generator) -> Window:
        """A window of continuous speech, or one piece of it that is as long as a word."""
        sources, rate = self._sources, self._recipe.front_end.sample_rate_hz
        recording = sources.negatives[rng.integers(len(sources.negatives))]
        piece = rng.random() < self._recipe.epoch.pieces_prob
        length = int(rng.uniform(*_PIECE_S) * rate) if piece else self._length
        crop = random_crop(recording, length, rng)
        if crop is None:
            return Window(Kind.TALK, np.zeros(self._length, dtype=np.float32), self._unknown)
        if not piece:
            return Window(Kind.TALK, crop, self._unknown, speech_power=power(crop))
        fade = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (_FADE_S * rate))
        return Window(Kind.PIECE, crop * fade.astype(np.float32), self._unknown)

    def _mined(self, rng: np.random.Generator) -> Window:
        """A window of a stretch at about the time at which it made a model fire, over its own background."""
        stretch = self._sources.hard[int(rng.integers(len(self._sources.hard)))]
        end = int(rng.uniform(*_HARD_END_S) * self._recipe.front_end.sample_rate_hz)
        sound = stretch.window(self._length, end)
        return Window(Kind.MINED, sound, self._unknown, self._recipe.epoch.hard_weight)

    def _alone(self, rng: np.random.Generator) -> Window:
        crop, scene = self._sources.background(rng)
        if crop is None or rng.random() < _NOTHING_PROB:
            level = np.sqrt(from_db(rng.uniform(*_NOTHING_DBFS)))
            sound: Sound = (rng.standard_normal(self._length) * level).astype(np.float32)
            return Window(Kind.ALONE, sound, self._silence)
        return Window(Kind.ALONE, crop * random_gain(rng, *_ALONE_GAIN_DB), self._silence, scene=scene)

    def mels(self, sounds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-mels of windows through the device's own front end, shape (n, frames, mels), in dB."""
        return log_mel(sounds, self._recipe.front_end)


def _choice(
    clips: NDArray[np.int64],
    count: float,
    rng: np.random.Generator,
    weight: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """About `count` clips at random, with repetition; none for 0, of which there may be none to choose."""
    return rng.choice(clips, int(count), p=weight) if count else clips[:0]
