"""Whether the accelerator waits: the input pipeline against the model's step, on made-up recordings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from kws_device.front_end import Normalisation
from kws_device.manifest import KEYWORD_HEAD, SCENE_HEAD

from ..data.corpus import Corpus, Recording, keyword_labels
from ..data.layouts import Clip
from ..recipes import AnyRecipe
from ..schemes.kit.batches import Batches, Drawn
from ..schemes.kit.examples import Examples
from ..schemes.kit.recipe import Recipe
from ..schemes.kit.train import compiled, new_network
from ..schemes.study.batches import SpectrogramBatches
from ..schemes.study.examples import Examples as SpectrogramExamples
from ..schemes.study.features import Features
from ..schemes.study.recipe import StudyRecipe
from ..schemes.study.stages import stage_of
from ..schemes.study.train import compiled as compiled_study

_WORDS, _SCENES = 2048, 256
_SCENE_S = 5
_SCENE_LABELS = 10
_CLOSED_SET = 30


def measure(recipe: AnyRecipe, seconds: float) -> dict[str, float]:
    """Examples per second, one number after the other in one process.

    The recordings are noise: what they hold changes neither side's work.

    Args:
        recipe: any; without keywords, thirty words are made up.
        seconds: to measure each for.

    Returns:
        `pipeline` alone, the model's `step` alone on one batch again and again, and `together` as in
        training, where the pipeline works beside the step.
    """
    rng = np.random.default_rng(0)
    batches, model = _study(recipe, rng) if isinstance(recipe, StudyRecipe) else _waveform(recipe, rng)
    size = recipe.optimisation.batch_size
    batch = batches[0]
    model.fit(_Again(batch, 2), verbose=0)  # traces and compiles
    step_s = _time(lambda: model.fit(_Again(batch, 8), verbose=0), seconds, "step") / 8
    turn = iter(int(i) for i in np.tile(np.arange(len(batches)), 10_000))
    pipeline_s = _time(lambda: batches[next(turn)], seconds, "pipeline")
    epoch_s = _time(lambda: model.fit(batches, shuffle=False, verbose=0), seconds, "together")
    return {
        "pipeline": size / pipeline_s,
        "step": size / step_s,
        "together": size * len(batches) / epoch_s,
    }


class _Again(keras.utils.PyDataset):  # type: ignore[misc]
    """One batch, so many times."""

    def __init__(self, batch: object, times: int) -> None:
        super().__init__()
        self._batch, self._times = batch, times

    def __len__(self) -> int:
        return self._times

    def __getitem__(self, index: int) -> object:
        return self._batch


def _time(call: Callable[[], object], seconds: float, what: str) -> float:
    """Seconds of one call, over at least `seconds` and one call, after one that does not count."""
    call()
    calls, start = 0, time.perf_counter()
    with tqdm(desc=what, unit="call", leave=False) as bar:
        while calls == 0 or time.perf_counter() - start < seconds:
            call()
            calls += 1
            bar.update()
    return (time.perf_counter() - start) / calls


def _noise(count: int, samples: int, rng: np.random.Generator) -> list[np.ndarray]:
    return list(0.1 * rng.standard_normal((count, samples), dtype=np.float32))


def _waveform(recipe: Recipe, rng: np.random.Generator) -> tuple[keras.utils.PyDataset, keras.Model]:
    rate, length = recipe.front_end.sample_rate_hz, recipe.front_end.clip_samples
    words = keyword_labels(recipe.keywords)[:-1]

    def recordings(labels: list[str], samples: int) -> list[Recording]:
        sounds = _noise(len(labels), samples, rng)
        return [
            Recording(sound, label, Clip(Path(label), label, "train", label))
            for sound, label in zip(sounds, labels, strict=True)
        ]

    corpus = Corpus(
        recordings([words[i % len(words)] for i in range(_WORDS)], length),
        recordings([f"scene {i % _SCENE_LABELS}" for i in range(_SCENES)], _SCENE_S * rate),
        _noise(4, 60 * rate, rng),
        _noise(4, 60 * rate, rng),
    )
    examples = Examples(corpus, recipe)
    labels = {KEYWORD_HEAD: len(words) + 1, SCENE_HEAD: _SCENE_LABELS}
    mels = recipe.front_end.mels
    # What is measured is the drawing: no epoch repeats.
    anew = replace(recipe, epoch=replace(recipe.epoch, drawn=recipe.optimisation.epochs))
    normalisation = Normalisation((-40.0,) * mels, (20.0,) * mels)
    batches = Batches(Drawn(examples, anew, labels), recipe, normalisation, 0)
    shares = np.full(labels[KEYWORD_HEAD], 1 / labels[KEYWORD_HEAD])
    return batches, compiled(new_network(recipe, labels), recipe, len(batches), shares)


def _study(recipe: StudyRecipe, rng: np.random.Generator) -> tuple[keras.utils.PyDataset, keras.Model]:
    front_end = recipe.front_end
    normalisation = Normalisation((0.0,) * front_end.mels, (1.0,) * front_end.mels)

    def examples(count: int, frames: int, labels: int) -> SpectrogramExamples:
        mels = rng.standard_normal((count * frames, front_end.mels), dtype=np.float32)
        one_hot = np.eye(labels, dtype=np.float32)[np.arange(count) % labels]
        return SpectrogramExamples(
            Features(mels, frames * np.arange(1, count + 1)), one_hot, normalisation, frames
        )

    labels = {KEYWORD_HEAD: len(recipe.keywords) or _CLOSED_SET, SCENE_HEAD: _SCENE_LABELS}
    datasets = {}
    if recipe.uses_speech:
        datasets[KEYWORD_HEAD] = examples(_WORDS, front_end.frames, labels[KEYWORD_HEAD])
    if recipe.uses_scenes:
        scene = round(front_end.sample_rate_hz * recipe.data.scene_ms / 1000)
        datasets[SCENE_HEAD] = examples(_SCENES, front_end.frames_of(scene), _SCENE_LABELS)
    batches = SpectrogramBatches(datasets, recipe, stage_of(recipe), 0)
    heads = {head: labels[head] for head in recipe.model.heads}
    return batches, compiled_study(recipe, heads, len(batches))
