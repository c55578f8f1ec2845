"""The end of a run: its figures on a split, and its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from kws_device import atomic
from kws_device.errors import InputError
from kws_device.manifest import SILENCE, Manifest
from kws_device.strict import json_text

from .. import recipes
from ..data.corpus import Corpus, Folders, load_corpus
from ..loop import runs
from ..recipes import AnyRecipe
from ..schemes.study.recipe import StudyRecipe
from . import plots
from .eval_sets import (
    SNRS_DB,
    EvaluationSet,
    Material,
    backgrounds_of,
    check_scenes,
    clean_set,
    material,
    mel_set,
    waveform_set,
)
from .metrics import figures
from .scoring import Judgement, judge_set, keras_predictor

Judged = tuple[EvaluationSet, dict[str, Judgement]]


def judged_sets(
    run: Path, recipe: AnyRecipe, manifest: Manifest, corpus: Corpus, snrs_db: Sequence[float]
) -> Iterator[Judged]:
    """A run's model on words and scenes alone, then mixed: as the study does it, then at true ratios.

    Args:
        run: its folder.
        recipe: the run's own.
        manifest: the run's own.
        corpus: one split; where it has no words or no background, there are no mixed sets.
        snrs_db: of the waveform sets.
    """
    length = manifest.front_end.clip_samples
    own = runs.recall_scene_normalisation(run)
    data = material(corpus, length)
    if isinstance(recipe, StudyRecipe):
        data = _closed_set(data, manifest.keywords)
    predict = keras_predictor(runs.load_keras(run / runs.MODEL))

    def sets() -> Iterator[EvaluationSet]:
        yield clean_set(data, length, scenes_overlaid=own is not None)
        if not data.words or (isinstance(recipe, StudyRecipe) and not data.scenes):
            return
        if isinstance(recipe, StudyRecipe):
            mixed = recipe.evaluation
            yield mel_set(data, mixed.ratio, length, recipe.seed, mixed.randomness)
        for name, recordings in backgrounds_of(corpus).items():
            for snr_db in snrs_db:
                yield waveform_set(data.words, recordings, name, snr_db, length, recipe.seed)

    for set_ in sets():
        yield set_, judge_set(set_, manifest, predict, own)


def _closed_set(data: Material, keywords: Sequence[str]) -> Material:
    """The study knows no other words and no silence; scenes alone can be mixed with any word."""
    words = [item for item in data.words if item.label != SILENCE]
    return replace(data, words=[w for w in words if not keywords or w.label in keywords])


def evaluate(run: Path, folders: Folders, split: str, snrs_db: Sequence[float] = SNRS_DB) -> Iterator[Judged]:
    """The same for a run's folder and folders of data.

    Raises:
        InputError: no run, no such split, or scenes that the model does not know.
    """
    recipe, manifest = runs.read_run(run)
    rate = manifest.front_end.sample_rate_hz
    corpus = load_corpus(folders, manifest.keywords, rate, split, folds=recipes.folds(recipe))
    check_scenes(corpus, manifest)
    if not any(
        r.label in labels for r in corpus.speech + corpus.scenes for labels in manifest.labels.values()
    ):
        raise InputError(f"{run}: nothing in these folders is for its heads; give the data it was trained on")
    yield from judged_sets(run, recipe, manifest, corpus, snrs_db)


def finish(
    run: Path,
    recipe: AnyRecipe,
    manifest: Manifest,
    corpus: Corpus,
    rows: list[dict[str, float]],
    snrs_db: Sequence[float],
) -> None:
    """Write figures on validation, learning curves and confusion matrices; last, what marks the end.

    Args:
        run: its folder, with the best model.
        recipe: the run's own.
        manifest: the run's own.
        corpus: the validation split.
        rows: the history.
        snrs_db: of the waveform sets to be judged.
    """
    report = []
    plots.learning_curves(rows, run / "plots" / "learning_curves.png")
    for set_, judged in judged_sets(run, recipe, manifest, corpus, snrs_db):
        report.append(figures(set_, judged))
        if set_.kind == "clean":
            for head, judgement in judged.items():
                path = run / "plots" / f"confusion_{head}.png"
                plots.confusion(judgement, manifest.labels[head], path)
    atomic.write_text(run / runs.METRICS, json_text({"validation": report}, indent=1))
