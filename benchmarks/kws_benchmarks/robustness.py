"""Accuracy on clean and on mixed test sets, through the device's own front end and engine."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kws_device import atomic, model_file
from kws_device.engine import load_engine
from kws_device.errors import InputError
from kws_training.data.corpus import Folders, load_corpus, read_folder
from kws_training.evaluation.figures import figures
from kws_training.evaluation.judging import Judgement, engine_predictor, judge_set
from kws_training.evaluation.test_sets import (
    Background,
    EvaluationSet,
    Item,
    check_scenes,
    evaluation_sets,
    material,
    scene_backgrounds,
)

SEED = 1
RATIOS = ((0.6, 0.4), (0.5, 0.5))
"""Of words and scenes in the mel sets: the study's."""
REPORT = "robustness.json"
PREDICTIONS = "predictions.csv"


def robustness(
    model: str | Path | None,
    speech: Path | None,
    scenes: Path | None,
    noise: Path | None,
    split: str,
    snrs_db: Sequence[float],
    limit: int | None,
    out: Path,
) -> dict[str, Any]:
    """Judge a model file on speech alone, on scenes alone, and on speech in scenes and in noise.

    Args:
        model: file or shipped name; None: the shipped default.
        speech: words in a known layout; None: only scenes alone.
        scenes: scenes in a known layout; None: no sets with scenes.
        noise: any sound files below it; None: no sets with noise.
        split: validation, test or all.
        snrs_db: of the mixed sets.
        limit: a seeded draw of so many words and as many scene windows, balanced by class.
        out: gets robustness.json and predictions.csv.

    Returns:
        the content of robustness.json.

    Raises:
        InputError: a model or folder that cannot be used, or labels that are not the model's.
    """
    if speech is None and scenes is None:
        raise InputError("nothing to judge; give --speech, --scenes or both")
    file = model_file.read(model_file.find(model))
    engine = load_engine(file)
    manifest = file.manifest
    front_end = manifest.front_end
    corpus = load_corpus(Folders(speech, scenes), manifest.keywords, front_end.sample_rate_hz, split)
    check_scenes(corpus, manifest)
    data = material(corpus, front_end.clip_samples)
    if limit is not None:
        data = replace(data, words=balanced(data.words, limit), scenes=balanced(data.scenes, limit))
    backgrounds: dict[str, list[Background]] = {}
    if data.words and corpus.scenes:
        backgrounds["scenes"] = scene_backgrounds(corpus)
    if data.words and noise is not None:
        recordings = read_folder(noise, front_end.sample_rate_hz, "noise")
        backgrounds["noise"] = [(samples, None) for samples in recordings]

    predict = engine_predictor(engine)
    rows: list[list[Any]] = []
    sets: list[dict[str, Any]] = []
    for set_ in evaluation_sets(data, backgrounds, snrs_db, front_end.clip_samples, SEED, RATIOS):
        judged = judge_set(set_, manifest, predict)
        sets.append(figures(set_, judged))
        rows += _predictions(set_, judged)
    report = {
        "model": manifest.name,
        "hash": manifest.hash,
        "split": split,
        "scene_windows_left_out": data.left_out,
        "sets": sets,
    }
    atomic.write_text(out / REPORT, json.dumps(report, indent=1) + "\n")
    atomic.write_text(out / PREDICTIONS, _table(rows))
    return report


def balanced(items: Sequence[Item], limit: int) -> list[Item]:
    """A seeded draw of at most `limit` items, class by class in turn, in the items' order."""
    rng = np.random.default_rng(SEED)
    by_class: dict[str, list[int]] = {}
    for i in rng.permutation(len(items)):
        by_class.setdefault(items[i].label, []).append(int(i))
    rounds = [(turn, i) for indices in by_class.values() for turn, i in enumerate(indices)]
    chosen = sorted(i for _, i in sorted(rounds)[:limit])
    return [items[i] for i in chosen]


def _predictions(set_: EvaluationSet, judged: dict[str, Judgement]) -> list[list[Any]]:
    return [
        [set_.name, item.name, item.source, head, item.label, predicted, f"{score:.4f}"]
        for head, judgement in judged.items()
        for item, predicted, score in zip(judgement.items, judgement.predicted, judgement.score, strict=True)
    ]


def _table(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["set", "clip", "speaker", "head", "label", "predicted", "score"])
    writer.writerows(rows)
    return text.getvalue()


def shortfalls(report: dict[str, Any], requirements: dict[str, float]) -> list[str]:
    """What falls short of `--require`, a sentence each.

    Requirements are keyword accuracies by set; `scene-` before it asks for the scene head.
    snr10 means 10 dB with scenes and, where it was measured, with noise.

    Raises:
        InputError: a set that was not measured.
    """
    measured: dict[str, list[tuple[str, float]]] = {}
    for entry in report["sets"]:
        name = entry["set"]
        for head, prefix in (("keyword", ""), ("scene", "scene-")):
            if head in entry:
                figure = (prefix + name, entry[head]["accuracy"])
                measured.setdefault(prefix + name, []).append(figure)
                if name.endswith("-noise"):
                    measured.setdefault(prefix + name.removesuffix("-noise"), []).append(figure)
    lines = []
    for name, least in requirements.items():
        if name not in measured:
            raise InputError(f"--require {name}: not measured; there are {', '.join(sorted(measured))}")
        lines += [
            f"{full}: {accuracy:.4f} is below {least:g}"
            for full, accuracy in measured[name]
            if accuracy < least
        ]
    return lines
