"""Test sets by the kit's definitions: clean, mixed at a true signal-to-noise ratio, mixed as spectrograms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError
from kws_device.model.manifest import SCENE_HEAD, SILENCE, Manifest

from ..data.corpus import Corpus, Recording
from ..data.segments import (
    SILENCE_AS_SPEECH_DBFS,
    audible,
    background_gain,
    centred,
    from_db,
    power,
    random_crop,
    whole_windows,
)
from ..signal.mixing import draw_weights

SNRS_DB = (20.0, 10.0, 5.0, 0.0, -5.0)

Background = tuple[NDArray[np.float32], str | None]
"""A recording, and its scene where it has one."""


@dataclass(frozen=True)
class Overlay:
    """A scene whose spectrogram is added to a window's, behind the front end."""

    samples: NDArray[np.float32]
    """A whole window, shape (clip samples,)."""
    weights: tuple[float, float]
    """Of the window's own normalised mels, and of the scene's."""


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
    overlay: Overlay | None = None
    """In mel sets alone."""


@dataclass(frozen=True)
class Material:
    """What test sets are made of: words, scene windows, backgrounds."""

    words: Sequence[Item]
    """Speech, and background windows as `_silence_`."""
    scenes: Sequence[Item]
    """Whole seconds of scene recordings."""
    left_out: int
    """Scene windows below -60 dBFS."""


@dataclass(frozen=True)
class EvaluationSet:
    """Windows under one condition. In a mixed set both heads are asked about the same windows."""

    kind: str
    """clean, waveform or mel."""
    background: str | None
    """scenes or noise; None for clean."""
    snr_db: float | None
    """Of speech over background, in waveform sets."""
    ratio: tuple[float, ...] | None
    """Weights of speech and scene, in mel sets."""
    words: list[Item]
    """For the keyword head; the samples are the whole window."""
    scenes: list[Item]
    """For the scene head; the samples are the whole window."""

    @property
    def name(self) -> str:
        """What reports and options call it: clean, snr10 (with scenes), snr10-noise, mel60:40."""
        if self.ratio is not None:
            return f"mel{100 * self.ratio[0]:g}:{100 * self.ratio[1]:g}"
        if self.snr_db is None:
            return self.kind
        return f"snr{self.snr_db:g}" + ("" if self.background == "scenes" else f"-{self.background}")


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
    return Item(f"{recording.clip.name}{suffix}", recording.clip.source, recording.label, samples)


def check_scenes(corpus: Corpus, manifest: Manifest) -> None:
    """Raises InputError where the corpus has a scene that the model does not know."""
    head = manifest.head(SCENE_HEAD)
    if head is None:
        return
    for recording in corpus.scenes:
        if recording.label not in head.labels:
            raise InputError(
                f"{recording.clip.path}: scene {recording.label} is not one of the model's "
                f"({', '.join(head.labels)}); give a dataset with its scenes"
            )


def clean_set(data: Material, length: int, scenes_overlaid: bool = False) -> EvaluationSet:
    """Keywords on speech alone, scenes on scene windows alone.

    `scenes_overlaid` is for models whose scenes have a normalisation of their own.
    """
    words = [Item(i.name, i.source, i.label, centred(i.samples, length)) for i in data.words]
    scenes = overlaid(data.scenes, length) if scenes_overlaid else list(data.scenes)
    return EvaluationSet("clean", None, None, None, words, scenes)


def overlaid(scenes: Sequence[Item], length: int) -> list[Item]:
    """Scene windows as overlays of nothing, with the weights 0 and 1, for a normalisation of their own."""
    nothing = np.zeros(length, dtype=np.float32)
    return [replace(i, samples=nothing, overlay=Overlay(i.samples, (0.0, 1.0))) for i in scenes]


def waveform_set(
    words: Sequence[Item],
    backgrounds: Sequence[Background],
    background: str,
    snr_db: float,
    length: int,
    seed: int,
    first: int = 0,
) -> EvaluationSet:
    """Every word over a random second of background at a true signal-to-noise ratio.

    Args:
        words: speech, without padding.
        backgrounds: recordings with their scene, or None where they have none.
        background: what they are called in reports, scenes or noise.
        snr_db: mean square of the unpadded speech over that of the background second.
        length: samples of a window.
        seed: of the crops; each word has its own generator, so that a subset keeps its crops.
        first: number of the first word, where these are a part of more.

    Raises:
        InputError: the backgrounds hold nothing above -60 dBFS.
    """
    mixed, scenes = [], []
    for n, word in enumerate(words, start=first):
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
    return EvaluationSet("waveform", background, snr_db, None, mixed, scenes)


def mel_set(
    data: Material,
    ratio: tuple[float, ...],
    length: int,
    seed: int,
    randomness: float = 0.0,
    first: int = 0,
) -> EvaluationSet:
    """Every word with a random scene window, their normalised spectrograms added by weight.

    Args:
        data: words and scene windows.
        ratio: weights of word and scene.
        length: samples of a window.
        seed: of the pairs; each word has its own generator, so that a subset keeps its scenes.
        randomness: R of the study's mixing scheme, drawn for each window.
        first: number of the first word, where these are a part of more.

    Raises:
        InputError: there is no scene window to mix in.
    """
    if not data.scenes:
        raise InputError("no scene window above -60 dBFS to mix words with; name another folder")
    mixed, scenes = [], []
    for n, word in enumerate(data.words, start=first):
        rng = np.random.default_rng([seed, n])
        scene = data.scenes[int(rng.integers(len(data.scenes)))]
        overlay = Overlay(scene.samples, draw_weights(ratio, randomness, True, rng))
        window = centred(word.samples, length)
        mixed.append(Item(word.name, word.source, word.label, window, overlay))
        scenes.append(Item(word.name, scene.source, scene.label, window, overlay))
    return EvaluationSet("mel", "scenes", None, ratio, mixed, scenes)


def scene_backgrounds(corpus: Corpus) -> list[Background]:
    """A split's scenes with their labels."""
    return [(recording.samples, recording.label) for recording in corpus.scenes]


def backgrounds_of(corpus: Corpus) -> dict[str, list[Background]]:
    """What words are mixed with, by its name in reports: a split's scenes, or without them its noise."""
    if corpus.scenes:
        return {"scenes": scene_backgrounds(corpus)}
    return {"noise": [(samples, None) for samples in corpus.noise]} if corpus.noise else {}


def evaluation_sets(
    data: Material,
    backgrounds: Mapping[str, Sequence[Background]],
    snrs_db: Sequence[float],
    length: int,
    seed: int,
    ratios: Sequence[tuple[float, float]] = (),
) -> Iterator[EvaluationSet]:
    """Clean, then words and scenes as spectrograms at each ratio of weights, then the words over each kind
    of background at each signal-to-noise ratio; one set at a time.
    """
    yield clean_set(data, length)
    for ratio in ratios if data.words and data.scenes else ():
        yield mel_set(data, ratio, length, seed)
    for name, recordings in backgrounds.items():
        for snr_db in snrs_db if data.words and recordings else ():
            yield waveform_set(data.words, recordings, name, snr_db, length, seed)
