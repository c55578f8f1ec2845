"""Test sets by the kit's definitions, and what a model gets right of them.

One window per clip, argmax, no threshold. The same sets serve a Keras model after training and an
exported one through the device's engine: a model here is a function from mels to scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device.engine import Engine
from kws_device.errors import InputError
from kws_device.front_end import MelConfig, Normalisation, log_mel
from kws_device.manifest import KEYWORD_HEAD, SCENE_HEAD, SILENCE

from .corpus import Corpus, Recording
from .windows import (
    SILENCE_AS_SPEECH_DBFS,
    audible,
    background_gain,
    centred,
    from_db,
    power,
    random_crop,
    whole_windows,
)

Predict = Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]]
"""Log-mels in dB, shape (n, frames, mels), to scores by head, shape (n, labels)."""

_BATCH = 256


@dataclass(frozen=True)
class Item:
    """One window to be judged."""

    name: str
    """The clip's path below its dataset, with the window's number where there are several."""
    source: str
    """Speaker or Freesound id, for intervals by resampling."""
    label: str
    """What its head should say."""
    samples: NDArray[np.float32]
    """Without padding, shape (up to clip samples,)."""


@dataclass(frozen=True)
class Material:
    """What test sets are made of: words, scene windows, backgrounds."""

    words: list[Item]
    """Speech, and background windows as `_silence_`."""
    scenes: list[Item]
    """Whole seconds of scene recordings."""
    left_out: int
    """Scene windows below -60 dBFS."""


@dataclass(frozen=True)
class EvaluationSet:
    """Windows under one condition. In a mixed set both heads are asked about the same windows."""

    kind: str
    """clean or waveform."""
    background: str | None
    """scenes or noise; None for clean."""
    snr_db: float | None
    """Of speech over background; None for clean."""
    words: list[Item]
    """For the keyword head; the samples are the whole window."""
    scenes: list[Item]
    """For the scene head; the samples are the whole window."""


@dataclass(frozen=True)
class Judgement:
    """A head's answers to a set."""

    head: str
    items: list[Item]
    predicted: list[str]
    """Labels."""
    score: NDArray[np.float64]
    """Of the predicted label, shape (n,)."""

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Shape (n,)."""
        return np.array([p == i.label for p, i in zip(self.predicted, self.items, strict=True)], dtype=bool)

    @property
    def accuracy(self) -> float:
        """Share of the items that are right; nan without items."""
        return float(self.correct.mean()) if self.items else float("nan")


def material(corpus: Corpus, length: int) -> Material:
    """Cut a split's corpus into windows of `length` samples."""
    words = [
        _item(r, centred(r.samples, length) if len(r.samples) > length else r.samples) for r in corpus.speech
    ]
    for n, recording in enumerate(corpus.noise):
        windows = whole_windows(recording, length)
        words += [
            Item(f"background {n} second {i}", f"background {n}", SILENCE, window)
            for i, window in enumerate(windows)
        ]
    scenes: list[Item] = []
    left_out = 0
    for recording_ in corpus.scenes:
        windows = whole_windows(recording_.samples, length)
        heard = audible(windows)
        left_out += int((~heard).sum())
        scenes += [_item(recording_, windows[i], f" second {i}") for i in np.flatnonzero(heard)]
    return Material(words, scenes, left_out)


def _item(recording: Recording, samples: NDArray[np.float32], suffix: str = "") -> Item:
    path = recording.clip.path
    return Item(f"{path.parent.name}/{path.name}{suffix}", recording.clip.source, recording.label, samples)


def clean_set(data: Material, length: int) -> EvaluationSet:
    """Keywords on speech alone, scenes on scene windows alone."""
    words = [Item(i.name, i.source, i.label, centred(i.samples, length)) for i in data.words]
    return EvaluationSet("clean", None, None, words, data.scenes)


def waveform_set(
    words: Sequence[Item],
    backgrounds: Sequence[tuple[NDArray[np.float32], str | None]],
    background: str,
    snr_db: float,
    length: int,
    seed: int,
) -> EvaluationSet:
    """Every word over a random second of background at a true signal-to-noise ratio.

    Args:
        words: speech, without padding.
        backgrounds: recordings with their scene, or None where they have none.
        background: what they are called in reports, scenes or noise.
        snr_db: mean square of the unpadded speech over that of the background second.
        length: samples of a window.
        seed: of the crops; each word has its own generator, so that a subset keeps its crops.

    Raises:
        InputError: the backgrounds hold nothing above -60 dBFS.
    """
    mixed, scenes = [], []
    for n, word in enumerate(words):
        rng = np.random.default_rng([seed, n])
        for _ in range(100):
            recording, scene = backgrounds[int(rng.integers(len(backgrounds)))]
            crop = random_crop(recording, length, rng)
            if crop is not None:
                break
        else:
            raise InputError(f"{background}: only silence in its recordings; name another folder")
        speech_power = from_db(SILENCE_AS_SPEECH_DBFS) if word.label == SILENCE else power(word.samples)
        gain = background_gain(speech_power, power(crop), snr_db)
        window = centred(word.samples, length) + crop * np.float32(gain)
        mixed.append(Item(word.name, word.source, word.label, window))
        if scene is not None:
            scenes.append(Item(word.name, word.source, scene, window))
    return EvaluationSet("waveform", background, snr_db, mixed, scenes)


def judge(
    items: Sequence[Item], head: str, labels: Sequence[str], front_end: MelConfig, predict: Predict, what: str
) -> Judgement:
    """Ask one head about every item, in batches, with a progress bar."""
    predicted: list[str] = []
    scores: list[float] = []
    with tqdm(total=len(items), desc=what, unit="window", leave=False) as bar:
        for batch in _batches(items):
            answer = predict(log_mel(np.stack([item.samples for item in batch]), front_end))[head]
            best = answer.argmax(axis=1)
            predicted += [labels[i] for i in best]
            scores += [float(answer[n, i]) for n, i in enumerate(best)]
            bar.update(len(batch))
    return Judgement(head, list(items), predicted, np.array(scores))


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def engine_predictor(engine: Engine, normalisation: Normalisation) -> Predict:
    """An exported model as the function that evaluation asks, window by window as on the device."""

    def predict(mels: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        answers = [engine.scores(window) for window in normalisation.apply(mels)]
        return {head: np.stack([answer[head] for answer in answers]) for head in answers[0]}

    return predict


def judge_set(
    set_: EvaluationSet, labels: Mapping[str, Sequence[str]], front_end: MelConfig, predict: Predict
) -> dict[str, Judgement]:
    """The answers of each head that the model has and the set asks."""
    what = set_.kind if set_.snr_db is None else f"{set_.background} {set_.snr_db:g} dB"
    asked = {KEYWORD_HEAD: set_.words, SCENE_HEAD: set_.scenes}
    return {
        head: judge(asked[head], head, labels[head], front_end, predict, what)
        for head in labels
        if asked[head]
    }
