"""Training windows: words moved, cut and joined as in running speech, over a background at a true SNR."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import log_mel
from kws_device.manifest import SILENCE, UNKNOWN

from ...data.corpus import Corpus, keyword_labels
from ...data.segments import background_gain, centred, from_db, power, random_crop, word_extent
from ...signal.reverb import in_room, room_response
from .augmentation import faster, shifted
from .recipe import KitRecipe

# As a word enters or leaves the window it is seen cut: `no` without its beginning sounds like the end
# of `go`. A word that has lost up to a tenth of its length is still the word, one that has lost three
# tenths is none. In between nobody can say, and the window does not train the keyword head.
_LOST_IS_WORD = 0.1
_LOST_IS_FRAGMENT = 0.3
_NEIGHBOUR_SHIFT = (0.65, 0.95)
# Background alone is heard at its own level, give or take; now and then there is next to nothing.
_ALONE_GAIN_DB = (-15.0, 10.0)
_NOTHING_SHARE = 0.1
_NOTHING_DBFS = (-100.0, -60.0)
# A piece of running speech that is as long as a word, faded so that its cuts are not heard as clicks.
_PIECE_S = (0.25, 0.8)
_FADE_S = 0.02
# A stretch of mined sound made the model fire with the windows that ended about a smoothing time before.
_HARD_END_S = (-0.6, 0.2)
_ROOMS_STREAM = 1 << 31
"""Of random numbers; the epochs' start at 0."""
_ROOMS = 512
"""Enough that no word is learned by its room; a response costs more to draw than to use."""


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
        self._recipe = recipe
        self._length = recipe.front_end.clip_samples
        self._labels = keyword_labels(recipe.keywords)
        recorded = [item for item in corpus.speech if item.clip.label not in recipe.left_out]
        said = [item for item in corpus.voices if item.clip.label not in recipe.left_out]
        speech = [*recorded, *said]
        self._clips = [item.samples for item in speech]
        rooms = np.random.default_rng([recipe.seed, _ROOMS_STREAM])
        self._rooms = [room_response(recipe.front_end.sample_rate_hz, rooms) for _ in range(_ROOMS)]
        self._keyword = np.array([self._labels.index(item.label) for item in speech])
        self._scenes = [item.samples for item in corpus.scenes]
        self.scene_labels = sorted({item.label for item in corpus.scenes})
        self._scene = np.array([self.scene_labels.index(item.label) for item in corpus.scenes])
        self._noise = corpus.noise
        self._negatives = corpus.negatives
        self._hard = corpus.hard

        words = np.array([item.clip.label for item in speech])
        synthetic = np.arange(len(speech)) >= len(recorded)
        keyword, other = self._keyword < len(recipe.keywords), self._keyword == self._labels.index(UNKNOWN)
        self._spoken = np.flatnonzero(keyword & ~synthetic)
        self._synthetic_spoken = np.flatnonzero(keyword & synthetic)
        self._synthetic_unknown = np.flatnonzero(other & synthetic)
        self._unknown = unknown = np.flatnonzero(other & ~synthetic)
        # By the root of a word's count: rare words are heard more often than they were recorded.
        _, word, count = np.unique(words[unknown], return_inverse=True, return_counts=True)
        weight = 1 / np.sqrt(count[word])
        self._unknown_weight = weight / weight.sum() if len(unknown) else weight
        self._silent = np.flatnonzero(self._keyword == self._labels.index(SILENCE))

    def plan(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The order of an epoch: clip indices; -1 background alone, -2 continuous speech, -3 mined sound."""
        epoch = self._recipe.epoch
        unknown = epoch.unknown_share if len(self._unknown) or len(self._synthetic_unknown) else 0.0
        negatives = epoch.negatives_share if self._negatives else 0.0
        hard = epoch.hard_share if self._hard else 0.0
        keywords = 1 - epoch.silence_share - unknown - negatives
        synthetic_keywords = keywords * epoch.synthetic_keywords_share if len(self._synthetic_spoken) else 0.0
        of_unknown = epoch.synthetic_unknown_share if len(self._unknown) else 1.0
        synthetic_unknown = unknown * of_unknown if len(self._synthetic_unknown) else 0.0
        spoken_share = keywords - synthetic_keywords
        repeats = max(1, math.ceil(epoch.least_windows * spoken_share / len(self._spoken)))
        spoken = np.tile(self._spoken, repeats)
        total = len(spoken) / spoken_share
        parts = [
            spoken,
            _choice(self._synthetic_spoken, total * synthetic_keywords, rng),
            _choice(self._unknown, total * (unknown - synthetic_unknown), rng, self._unknown_weight),
            _choice(self._synthetic_unknown, total * synthetic_unknown, rng),
            np.full(int(total * negatives), -2),
            np.full(int(total * hard / (1 - hard)), -3),
            np.full(int(total * epoch.silence_share), -1),
            self._silent,
        ]
        return rng.permutation(np.concatenate(parts)).astype(np.int64)

    def draw(self, plan: NDArray[np.int64], rng: np.random.Generator) -> tuple[NDArray[np.float32], Targets]:
        """The windows of a piece of a plan.

        Returns:
            waveforms, shape (n, clip samples), full scale is 1.0; and their targets.
        """
        n = len(plan)
        sounds = np.zeros((n, self._length), dtype=np.float32)
        keyword = np.full(n, self._labels.index(SILENCE))
        keyword_weight = np.ones(n, dtype=np.float32)
        scene = np.zeros(n, dtype=np.int64)
        scene_weight = np.zeros(n, dtype=np.float32)
        change = self._recipe.augmentation
        for i, index in enumerate(plan):
            if index == -1:
                sounds[i], scene[i], scene_weight[i] = self._alone(rng)
            elif index == -3:
                sounds[i] = self._mined(rng)
                keyword[i], keyword_weight[i] = self._labels.index(UNKNOWN), self._recipe.epoch.hard_weight
            else:
                if index == -2:
                    speech, speech_power = self._running_speech(rng)
                    keyword[i] = self._labels.index(UNKNOWN)
                else:
                    speech, speech_power, keyword[i], keyword_weight[i] = self._word(int(index), rng)
                sounds[i], scene[i], scene_weight[i] = self._over_background(speech, speech_power, rng)
            sounds[i] *= np.sqrt(from_db(rng.uniform(-change.gain_db, change.gain_db)))
            if rng.random() < change.clipped_share:
                np.clip(sounds[i], -1, 1, out=sounds[i])
        return sounds, Targets(keyword, keyword_weight, scene, scene_weight)

    def _said_otherwise(self, clip: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """As another speaker might have said it elsewhere; another length if the speed is another."""
        change = self._recipe.augmentation
        if change.speed:
            clip = faster(clip, float(np.exp(rng.uniform(-1, 1) * np.log1p(change.speed))))
        if rng.random() < change.room_share:
            clip = in_room(clip, self._rooms[rng.integers(len(self._rooms))])
        return clip

    def _word(self, index: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], float, int, float]:
        """A word somewhere in the window, its power, its label, and what the window counts."""
        change = self._recipe.augmentation
        said = self._said_otherwise(self._clips[index], rng)
        clip, label, weight = centred(said, self._length), int(self._keyword[index]), 1.0
        if rng.random() < change.fragment_share:
            first, last = word_extent(clip)
            lost = rng.uniform(_LOST_IS_WORD, 1.0)
            cut = int(lost * (last - first))
            moved = shifted(clip, -(first + cut) if rng.random() < 0.5 else self._length - last + cut)
            if lost < _LOST_IS_FRAGMENT:
                weight = 0.0
            elif label != self._labels.index(SILENCE):
                label = self._labels.index(UNKNOWN)
        else:
            reach = change.shift_ms / 1000 * self._recipe.front_end.sample_rate_hz
            moved = shifted(clip, int(rng.uniform(-reach, reach)))
        if rng.random() < change.neighbour_share:
            by = rng.choice((-1, 1)) * rng.uniform(*_NEIGHBOUR_SHIFT) * self._length
            neighbour = centred(self._clips[rng.integers(len(self._clips))], self._length)
            moved = moved + shifted(neighbour, int(by))
        return moved, power(said), label, weight

    def _running_speech(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], float]:
        """A window of continuous speech, or one piece of it somewhere in silence; and its power."""
        recording = self._negatives[rng.integers(len(self._negatives))]
        rate = self._recipe.front_end.sample_rate_hz
        piece = rng.random() < self._recipe.epoch.pieces_share
        length = int(rng.uniform(*_PIECE_S) * rate) if piece else self._length
        crop = random_crop(recording, length, rng)
        if crop is None:
            return np.zeros(self._length, dtype=np.float32), 0.0
        if not piece:
            return crop, power(crop)
        fade = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (_FADE_S * rate))
        said = self._said_otherwise(crop * fade.astype(np.float32), rng)
        reach = max(self._length - len(said), 0) / 2
        return shifted(centred(said, self._length), int(rng.uniform(-reach, reach))), power(said)

    def _mined(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """A window of a stretch at about the time at which it made a model fire, over its own background."""
        stretch = self._hard[int(rng.integers(len(self._hard)))]
        end = int(rng.uniform(*_HARD_END_S) * self._recipe.front_end.sample_rate_hz)
        return stretch.window(self._length, end)

    def _background(self, rng: np.random.Generator) -> tuple[NDArray[np.float32] | None, int | None]:
        """A crop and its scene, None for noise; no crop where there is none, or only silence was found."""
        if not self._noise and not self._scenes:
            return None, None
        if self._scenes and (not self._noise or rng.random() < self._recipe.augmentation.scene_share):
            choice = int(rng.integers(len(self._scenes)))
            return random_crop(self._scenes[choice], self._length, rng), int(self._scene[choice])
        return random_crop(self._noise[rng.integers(len(self._noise))], self._length, rng), None

    def _alone(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], int, float]:
        crop, scene = self._background(rng)
        if crop is None or rng.random() < _NOTHING_SHARE:
            level = np.sqrt(from_db(rng.uniform(*_NOTHING_DBFS)))
            return (rng.standard_normal(self._length) * level).astype(np.float32), 0, 0.0
        gain = np.float32(np.sqrt(from_db(rng.uniform(*_ALONE_GAIN_DB))))
        return crop * gain, scene or 0, 0.0 if scene is None else 1.0

    def _over_background(
        self, speech: NDArray[np.float32], speech_power: float, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], int, float]:
        change = self._recipe.augmentation
        if rng.random() < change.clean_share or speech_power == 0:
            return speech, 0, 0.0
        if self._negatives and rng.random() < change.talk_share:
            talk = self._negatives[rng.integers(len(self._negatives))]
            crop, scene = random_crop(talk, self._length, rng), None
            snr_db = rng.uniform(change.talk_snr_min_db, change.snr_max_db)
        else:
            crop, scene = self._background(rng)
            snr_db = rng.uniform(change.snr_min_db, change.snr_max_db)
        if crop is None:
            return speech, 0, 0.0
        mixed = speech + crop * np.float32(background_gain(speech_power, power(crop), snr_db))
        heard = scene is not None and snr_db <= change.scene_label_snr_db
        return mixed, scene or 0, float(heard)

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
