"""The test sets of the study: its closed set of words, alone and mixed with scenes by weight."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.schema import build, json_text
from kws_device.front_end import Normalisation
from kws_device.model.manifest import SILENCE, Manifest

from ...data.corpus import Corpus
from ...evaluation.eval_sets import (
    EvaluationSet,
    Item,
    Material,
    backgrounds_of,
    clean_set,
    material,
    mel_set,
    waveform_set,
)
from ...evaluation.scoring import windows_of
from .recipe import StudyRecipe
from .stages import Stage

_NORMALISATION = "scene_normalisation.json"


def eval_sets(
    recipe: StudyRecipe,
    manifest: Manifest,
    corpus: Corpus,
    snrs_db: Sequence[float],
    own: Normalisation | None,
) -> Iterator[EvaluationSet]:
    """Words and scenes alone, then their spectrograms added by weight, then waveforms; see `Scheme`."""
    length = manifest.front_end.clip_samples
    data = _closed_set(material(corpus, length), manifest.trained_keywords)
    yield clean_set(data, length, scenes_overlaid=own is not None)
    if not data.words or not data.scenes:
        return
    mixed = recipe.evaluation
    yield mel_set(data, mixed.ratio, length, recipe.seed, mixed.randomness)
    for name, recordings in backgrounds_of(corpus).items():
        for snr_db in snrs_db:
            yield waveform_set(data.words, recordings, name, snr_db, length, recipe.seed)


def _closed_set(data: Material, keywords: Sequence[str]) -> Material:
    """The study knows no other words and no silence; scenes alone can be mixed with any word."""
    words = [item for item in data.words if item.label != SILENCE]
    return replace(data, words=[w for w in words if not keywords or w.label in keywords])


def validation_set(recipe: StudyRecipe, stage: Stage, corpus: Corpus) -> EvaluationSet:
    """What chooses the checkpoint: the stage's own mixture, at its fixed ratio."""
    length = recipe.front_end.clip_samples
    data = material(corpus, length)
    if min(stage.ratio) > 0:
        return mel_set(data, stage.ratio, length, recipe.seed)
    return clean_set(data, length, scenes_overlaid=recipe.normalisation.per_dataset)


def training_windows(
    recipe: StudyRecipe, corpus: Corpus, manifest: Manifest, count: int, rng: np.random.Generator
) -> list[Item]:
    """Words and scenes alone, and mixed at the ratio of evaluation where there are both; see `Scheme`."""
    length = manifest.front_end.clip_samples
    data = material(corpus, length)
    sets = [clean_set(data, length)]
    if data.words and data.scenes:
        sets.append(mel_set(data, recipe.evaluation.ratio, length, recipe.seed))
    items = [item for set_ in sets for item in windows_of(set_, manifest.labels).items]
    return [items[i] for i in np.resize(rng.permutation(len(items)), count)]


def remember_normalisation(run: Path, normalisation: Normalisation | None) -> None:
    """Keep the scenes' normalisation where it is another than the manifest's."""
    if normalisation is not None:
        atomic.write_text(run / _NORMALISATION, json_text(normalisation))


def recall_normalisation(run: Path) -> Normalisation | None:
    """The scenes' normalisation where it is another than the manifest's.

    Raises:
        InputError: the run's file of it is damaged.
    """
    path = run / _NORMALISATION
    if not path.is_file():
        return None
    try:
        return build(Normalisation, json.loads(path.read_text(encoding="utf-8")), str(path))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); train again") from error
