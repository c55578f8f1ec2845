"""Prepares a training of the study: examples, manifest and validation set."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kws_device import InputError
from kws_device._support.untrusted_text import printable
from kws_device.front_end import Normalisation
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD, Manifest

from ...data.check import leaks
from ...data.corpus import Corpus, Folders, check_keywords, load_corpus
from ...data.layouts import Clip, Dataset, read_dataset
from ...data.splits import SPLITS
from ...evaluation.eval_sets import check_scenes
from ...loop.manifest import first_manifest
from .examples import Examples
from .features import Features, features
from .recipe import StudyRecipe

_FOLDERS = {KEYWORD_HEAD: "speech", SCENE_HEAD: "scenes"}
"""The dataset that a head is asked about."""


@dataclass(frozen=True)
class Prepared:
    """Everything about a run's data."""

    examples: dict[str, Examples]
    """By head; the datasets that are trained on, with or without their labels."""
    manifest: Manifest
    scene_normalisation: Normalisation | None
    """Where the scenes have one of their own."""
    validation: Corpus


def prepare(recipe: StudyRecipe, folders: Folders, datasets: dict[str, Dataset], cache: Path) -> Prepared:
    """Read, look for leaks, compute features and their statistics.

    Args:
        recipe: with its keywords.
        folders: where the data lies.
        datasets: of `read_datasets`.
        cache: folder of prepared features.

    Raises:
        InputError: leaks that the recipe does not allow, clips that cannot be read, labels that only
            validation has, no room for the cache.
    """
    _check_leaks(recipe, datasets)
    labels = _labels(recipe, datasets)
    splits = [split for split in SPLITS if split in ("train", *recipe.normalisation.splits)]
    clips = {
        head: {split: _clips(dataset, split, labels[head]) for split in splits}
        for head, dataset in datasets.items()
    }
    found = {
        head: {split: _features(recipe, head, chosen, cache) for split, chosen in clips[head].items()}
        for head in datasets
    }
    normalisations = _normalisations(recipe, found)
    trained = {head: dataset for head, dataset in datasets.items() if head in trains_on(recipe)}
    first = normalisations[next(iter(trained))]
    heads = {head: labels[head] for head in recipe.model.heads}
    manifest = first_manifest(recipe, folders, heads, first)
    rate = recipe.front_end.sample_rate_hz
    corpus = load_corpus(folders, recipe.keywords, rate, "validation", folds=recipe.data.folds)
    check_scenes(corpus, manifest)
    examples = {}
    for head in trained:
        index = np.array([labels[head].index(clip.label) for clip in clips[head]["train"]])
        one_hot = np.eye(len(labels[head]), dtype=np.float32)[index]
        mels = found[head]["train"].in_memory()
        examples[head] = Examples(mels, one_hot, normalisations[head], _frames(recipe, head))
    own = normalisations.get(SCENE_HEAD) if recipe.normalisation.per_dataset else None
    return Prepared(examples, manifest, own, corpus)


def trains_on(recipe: StudyRecipe) -> list[str]:
    """The datasets that a recipe trains on, by head, with or without their labels."""
    used = {KEYWORD_HEAD: recipe.uses_speech, SCENE_HEAD: recipe.uses_scenes}
    return [head for head in _FOLDERS if used[head]]


def read_datasets(recipe: StudyRecipe, folders: Folders) -> dict[str, Dataset]:
    """By head: what the recipe trains on, and what is mixed in for evaluation with statistics of its own.

    Raises:
        InputError: a folder that is needed is not given, or not recognised.
    """
    found = {}
    for head, kind in _FOLDERS.items():
        folder: Path | None = getattr(folders, kind)
        needed = head in trains_on(recipe)
        if needed and folder is None:
            raise InputError(f"{recipe.name} trains on {kind}; give --{kind}")
        if folder is not None and (needed or recipe.normalisation.per_dataset):
            found[head] = read_dataset(folder, recipe.data.folds)
    return found


def with_keywords(recipe: StudyRecipe, datasets: dict[str, Dataset]) -> StudyRecipe:
    """The recipe with its closed set of words: its own, or all that are common in the training split."""
    if recipe.keywords or KEYWORD_HEAD not in datasets:
        return recipe
    counts = Counter(clip.label for clip in datasets[KEYWORD_HEAD].split("train"))
    least = recipe.data.least_share * max(counts.values())
    return replace(recipe, keywords=tuple(sorted(w for w, count in counts.items() if count >= least)))


def _check_leaks(recipe: StudyRecipe, datasets: dict[str, Dataset]) -> None:
    """Name what is in two splits; InputError where the recipe does not allow it."""
    for dataset in datasets.values():
        if found := leaks(dataset):
            line = (
                f"{dataset.folder}: {len(found)} sources are in two splits, "
                f"{found[0]['source']} in {' and '.join(found[0]['splits'])} for one"
            )
            if not recipe.data.allow_leaks:
                raise InputError(f"{line}; mend the folds, or allow it with --set data.allow_leaks=true")
            print(printable(f"warning: {line}"), file=sys.stderr)


def _labels(recipe: StudyRecipe, datasets: dict[str, Dataset]) -> dict[str, tuple[str, ...]]:
    """Labels of each dataset's training split, also of one that is only mixed in."""
    labels = {}
    if KEYWORD_HEAD in datasets:
        check_keywords(datasets[KEYWORD_HEAD].folder, recipe.keywords)
        labels[KEYWORD_HEAD] = recipe.keywords
    if SCENE_HEAD in datasets:
        labels[SCENE_HEAD] = tuple(sorted({c.label for c in datasets[SCENE_HEAD].split("train")}))
    return labels


def _clips(dataset: Dataset, split: str, labels: Sequence[str]) -> list[Clip]:
    clips = [clip for clip in dataset.split(split) if clip.label in labels]
    if not clips:
        raise InputError(f"{dataset.folder}: none of {', '.join(labels[:5])} is in the {split} split")
    return clips


def _features(recipe: StudyRecipe, head: str, clips: Sequence[Clip], cache: Path) -> Features:
    # A word is centred in a window, as the device's figures have it; a short scene is mirrored later.
    at_least_ms = recipe.front_end.clip_ms if head == KEYWORD_HEAD else 0.0
    return features(clips, recipe.front_end, at_least_ms, cache, _FOLDERS[head])


def _frames(recipe: StudyRecipe, head: str) -> int:
    """Length of a dataset's examples before a window is cut from them."""
    front_end = recipe.front_end
    if head == KEYWORD_HEAD:
        return front_end.frames
    return front_end.frames_of(round(front_end.sample_rate_hz * recipe.data.scene_ms / 1000))


def _normalisations(recipe: StudyRecipe, found: dict[str, dict[str, Features]]) -> dict[str, Normalisation]:
    """By head. Scalars as in the study, whose division by the largest magnitude cancels out."""
    moments = {}
    for head, splits in found.items():
        frames = [splits[split].frames for split in recipe.normalisation.splits]
        count = sum(f.size for f in frames)
        mean = sum(float(f.sum(dtype=np.float64)) for f in frames) / count
        square = sum(float(np.square(f, dtype=np.float64).sum()) for f in frames) / count
        moments[head] = (mean, square)
    if not recipe.normalisation.per_dataset:
        # Each dataset has the same say, however many clips it has.
        both = np.mean(list(moments.values()), axis=0)
        moments = dict.fromkeys(moments, (float(both[0]), float(both[1])))
    mels = recipe.front_end.mels
    return {
        head: Normalisation(
            (round(mean, 4),) * mels, (round(max(float(np.sqrt(square - mean**2)), 1e-3), 4),) * mels
        )
        for head, (mean, square) in moments.items()
    }
