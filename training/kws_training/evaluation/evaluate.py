"""Evaluates a run on a split, and writes the figures and plots at the end of a training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.schema import json_text
from kws_device.front_end import Normalisation
from kws_device.model.manifest import Manifest

from ..data.corpus import Folders, load_corpus
from ..loop import runs
from . import plots
from .eval_sets import SNRS_DB, EvaluationSet, check_scenes
from .metrics import figures
from .scheme import TrainedRun
from .scoring import Judgement, judge_set, keras_predictor

Judged = tuple[EvaluationSet, dict[str, Judgement]]


def judged_sets(
    run: Path, manifest: Manifest, sets: Iterable[EvaluationSet], own: Normalisation | None = None
) -> Iterator[Judged]:
    """What a run's best model says of evaluation sets, one at a time.

    Args:
        run: its folder.
        manifest: the run's own.
        sets: of its scheme.
        own: the normalisation of overlays, where they have one of their own.
    """
    predict = keras_predictor(runs.load_keras(run / runs.MODEL))
    for set_ in sets:
        yield set_, judge_set(set_, manifest, predict, own)


def evaluate(
    run: TrainedRun, folders: Folders, split: str, snrs_db: Sequence[float] = SNRS_DB
) -> Iterator[Judged]:
    """A run judged on words and scenes alone, then mixed as its scheme does it, then at true ratios.

    Args:
        run: with its scheme.
        folders: of the data.
        split: train, validation, test, or all.
        snrs_db: of the waveform sets.

    Raises:
        InputError: no such split, nothing for the model's heads, or scenes that it does not know.
    """
    scheme, manifest = run.scheme, run.manifest
    rate = manifest.front_end.sample_rate_hz
    corpus = load_corpus(folders, manifest.keywords, rate, split, folds=scheme.folds(run.recipe))
    check_scenes(corpus, manifest)
    if not any(
        r.label in labels for r in corpus.speech + corpus.scenes for labels in manifest.labels.values()
    ):
        raise InputError(
            f"{run.folder}: nothing in these folders is for its heads; give the data it was trained on"
        )
    own = scheme.overlay_normalisation(run.folder)
    sets = scheme.eval_sets(run.recipe, manifest, corpus, snrs_db, own)
    yield from judged_sets(run.folder, manifest, sets, own)


def finish(
    run: Path,
    manifest: Manifest,
    sets: Iterable[EvaluationSet],
    rows: list[dict[str, float]],
    own: Normalisation | None = None,
) -> None:
    """Write figures on validation, learning curves and confusion matrices; last, what marks the end.

    Args:
        run: its folder, with the best model.
        manifest: the run's own.
        sets: of the validation split.
        rows: the history.
        own: the normalisation of overlays, where they have one of their own.
    """
    report = []
    plots.learning_curves(rows, run / "plots" / "learning_curves.png")
    for set_, judged in judged_sets(run, manifest, sets, own):
        report.append(figures(set_, judged))
        if set_.kind == "clean":
            for head, judgement in judged.items():
                path = run / "plots" / f"confusion_{head}.png"
                plots.confusion(judgement, manifest.labels[head], path)
    atomic.write_text(run / runs.METRICS, json_text({"validation": report}, indent=1))
