"""A run of the study: from a recipe and two folders of data to a folder with the trained model."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kws_device.errors import InputError
from kws_device.front_end import Normalisation
from kws_device.manifest import KEYWORD_HEAD, SCENE_HEAD

from .. import runs
from ..check import leaks
from ..corpus import Folders, check_keywords, load_corpus
from ..first_manifest import first_manifest
from ..layouts import SPLITS, Clip, Dataset, read_dataset
from ..test_sets import EvaluationSet, Material, check_scenes, clean_set, material, mel_set
from .features import Features, features
from .recipe import FineTuningConfig, StudyRecipe
from .stages import Stage, stage_of

if TYPE_CHECKING:
    import keras

    from .batches import Examples

_FOLDERS = {KEYWORD_HEAD: "speech", SCENE_HEAD: "scenes"}
"""The dataset that a head is asked about."""


def train(
    recipe: StudyRecipe,
    folders: Folders,
    out: Path,
    cache: Path,
    resume: bool = False,
    start_from: Path | None = None,
) -> Path:
    """Train a row of the study's table; the run's folder gets the recipe, the model, history and pictures.

    A fine-tuned row trains its base first, in `out`/base, and each head but the last in a folder of its
    own; all of them are runs like any other.

    Args:
        recipe: any of the study's.
        folders: where the data lies.
        out: the run's folder; must not hold another run unless resumed.
        cache: folder of prepared features.
        resume: go on after the last finished epoch of the run in `out`.
        start_from: a run whose weights to start from; for a fine-tuned row, its base.

    Returns:
        the path of the best model.

    Raises:
        InputError: data, recipe or folder that do not fit; nothing is written then.
    """
    datasets = _datasets(recipe, folders)
    recipe = replace(recipe, keywords=_keywords(recipe, datasets))
    if recipe.fine_tuning.heads and not (out / runs.CHECKPOINT).is_file():
        resume = False  # what was interrupted is in a folder of its own
    runs.check_folder(out, recipe, resume)
    _check_leaks(recipe, datasets)
    heads = _labels(recipe, datasets, folders)
    if recipe.fine_tuning.heads:
        start_from = _trained_before(recipe, folders, out, cache, start_from)
    return _train_stage(recipe, folders, datasets, heads, out, cache, resume, start_from)


def _datasets(recipe: StudyRecipe, folders: Folders) -> dict[str, Dataset]:
    """By head; the datasets that the recipe trains on."""
    used = {KEYWORD_HEAD: recipe.uses_speech, SCENE_HEAD: recipe.uses_scenes}
    found = {}
    for head, kind in _FOLDERS.items():
        folder: Path | None = getattr(folders, kind)
        if used[head] and folder is None:
            raise InputError(f"{recipe.name} trains on {kind}; give --{kind}")
        if used[head] and folder is not None:
            found[head] = read_dataset(folder, recipe.data.folds)
    return found


def _keywords(recipe: StudyRecipe, datasets: dict[str, Dataset]) -> tuple[str, ...]:
    if recipe.keywords or KEYWORD_HEAD not in datasets:
        return recipe.keywords
    counts = Counter(clip.label for clip in datasets[KEYWORD_HEAD].split("train"))
    least = recipe.data.least_share * max(counts.values())
    return tuple(sorted(word for word, count in counts.items() if count >= least))


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
            print(f"warning: {line}", file=sys.stderr)


def _labels(
    recipe: StudyRecipe, datasets: dict[str, Dataset], folders: Folders
) -> dict[str, tuple[str, ...]]:
    """Labels of each dataset's training split, also of one that is only mixed in."""
    labels = {}
    if KEYWORD_HEAD in datasets:
        check_keywords(datasets[KEYWORD_HEAD].folder, recipe.keywords)
        labels[KEYWORD_HEAD] = recipe.keywords
    if SCENE_HEAD in datasets:
        labels[SCENE_HEAD] = tuple(sorted({c.label for c in datasets[SCENE_HEAD].split("train")}))
    return labels


def _trained_before(recipe: StudyRecipe, folders: Folders, out: Path, cache: Path, base: Path | None) -> Path:
    """The run that this one starts from: with one head less fine-tuned, or the base; trained if need be."""
    *before, _ = recipe.fine_tuning.heads
    if before:
        earlier = replace(recipe, fine_tuning=replace(recipe.fine_tuning, heads=tuple(before)))
        folder = out / f"{before[-1]}-head"
    elif base is not None:
        return base
    else:
        earlier = replace(recipe, name=recipe.fine_tuning.base, fine_tuning=FineTuningConfig("", (), 0, 0.0))
        folder = out / "base"
    if not runs.is_finished(folder):
        print(f"{folder}: to be trained first", file=sys.stderr)
        train(earlier, folders, folder, cache, (folder / runs.CHECKPOINT).is_file(), base)
    return folder


def _train_stage(
    recipe: StudyRecipe,
    folders: Folders,
    datasets: dict[str, Dataset],
    labels: dict[str, tuple[str, ...]],
    out: Path,
    cache: Path,
    resume: bool,
    start_from: Path | None,
) -> Path:
    stage = stage_of(recipe)
    splits = {
        head: {split: _clips(dataset, split, labels[head]) for split in SPLITS}
        for head, dataset in datasets.items()
    }
    found = {
        head: {
            split: _features(recipe, head, clips, cache)
            for split, clips in splits[head].items()
            if split == "train" or split in recipe.normalisation.splits
        }
        for head in datasets
    }
    normalisations = _normalisations(recipe, found)
    heads = {head: labels[head] for head in recipe.model.heads}
    first = next(iter(normalisations.values()))
    manifest = first_manifest(recipe, folders, heads, normalisations.get(KEYWORD_HEAD, first))
    corpus = load_corpus(
        folders, recipe.keywords, recipe.front_end.sample_rate_hz, "validation", folds=recipe.data.folds
    )
    check_scenes(corpus, manifest)
    data = material(corpus, recipe.front_end.clip_samples)
    own = normalisations.get(SCENE_HEAD) if recipe.normalisation.per_dataset else None
    check = _validation_set(data, stage, recipe)

    # Heavy, and noisy on standard error: only once all input is known to be good.
    import keras

    from .. import plots
    from ..batches import validation_arrays
    from ..finish import finish
    from ..fitting import Plan, fit
    from .batches import Examples, SpectrogramBatches
    from .learning_rate import Triangular
    from .network import alexnet, train_only
    from .steps import steps

    keras.utils.set_random_seed(recipe.seed)
    model = alexnet(recipe.front_end, recipe.model, {head: len(names) for head, names in heads.items()})
    if start_from is not None:
        _take_weights(model, start_from, heads)
    train_only(model, stage.trained)
    runs.begin(out, recipe, folders, manifest)
    runs.remember_scene_normalisation(out, own)

    examples: dict[str, Examples] = {}
    for head in datasets:
        index = np.array([labels[head].index(clip.label) for clip in splits[head]["train"]])
        frames = recipe.front_end.frames
        if head == SCENE_HEAD:
            front_end = recipe.front_end
            frames = front_end.frames_of(round(front_end.sample_rate_hz * recipe.data.scene_ms / 1000))
        one_hot = np.eye(len(labels[head]), dtype=np.float32)[index]
        examples[head] = Examples(found[head]["train"].in_memory(), one_hot, normalisations[head], frames)

    def batches(epoch: int) -> SpectrogramBatches:
        return SpectrogramBatches(examples.get(KEYWORD_HEAD), examples.get(SCENE_HEAD), recipe, stage, epoch)

    rates = recipe.optimisation
    half_cycle = rates.half_cycle_epochs * len(batches(0))
    model.compile(
        keras.optimizers.Adam(Triangular(rates.learning_rate_min, rates.learning_rate_max, half_cycle)),
        loss={head: keras.losses.CategoricalCrossentropy() for head in heads},
        weighted_metrics={head: ["accuracy"] for head in heads},
    )
    validation = validation_arrays([check], manifest, own)
    rows = fit(model, Plan(stage.epochs, recipe.seed, batches, validation, stage.best), out, resume)
    plots.mixing_steps(steps(examples, recipe, stage), out / "plots" / "mixing_steps.png")
    finish(out, recipe, manifest, corpus, rows)
    return out / runs.MODEL


def _clips(dataset: Dataset, split: str, labels: Sequence[str]) -> list[Clip]:
    return [clip for clip in dataset.split(split) if clip.label in labels]


def _features(recipe: StudyRecipe, head: str, clips: Sequence[Clip], cache: Path) -> Features:
    # A word is centred in a window, as the device's figures have it; a short scene is mirrored later.
    at_least_ms = recipe.front_end.clip_ms if head == KEYWORD_HEAD else 0.0
    return features(clips, recipe.front_end, at_least_ms, cache, _FOLDERS[head])


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


def _validation_set(data: Material, stage: Stage, recipe: StudyRecipe) -> EvaluationSet:
    """What chooses the checkpoint: the stage's own mixture, at its fixed ratio."""
    length = recipe.front_end.clip_samples
    if min(stage.ratio) > 0:
        return mel_set(data, stage.ratio, length, recipe.seed)
    return clean_set(data, length, scenes_overlaid=recipe.normalisation.per_dataset)


def _take_weights(model: keras.Model, run: Path, heads: dict[str, tuple[str, ...]]) -> None:
    """All weights of another run. Raises InputError where its labels or its layers are not ours."""
    _, manifest = runs.read_run(run)
    for head, labels in heads.items():
        theirs = manifest.labels.get(head, ())
        if theirs != labels:
            order = "in another order" if sorted(theirs) == sorted(labels) else "not these"
            raise InputError(
                f"{run}: its {head} labels are {order} ({', '.join(theirs[:5])}, ... against "
                f"{', '.join(labels[:5])}, ...); start from a run on the same data"
            )
    donors = {layer.name: layer for layer in runs.load_keras(run / runs.MODEL).layers}
    for layer in model.layers:
        donor = donors.get(layer.name)
        if donor is None or [w.shape for w in donor.weights] != [w.shape for w in layer.weights]:
            raise InputError(
                f"{run}: a run of another recipe, its {layer.name} is not ours; name another --from"
            )
        layer.set_weights(donor.get_weights())
