"""The page about a study: its table beside ours, what that says of its claims, curves and pictures."""

from __future__ import annotations

import base64
import json
import platform
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from tqdm import tqdm

from kws_device import atomic
from kws_device.manifest import KEYWORD_HEAD, SCENE_HEAD

from .. import plots, recipes, runs
from ..data.check import counts, leaks
from ..data.corpus import Folders
from ..data.layouts import Dataset, read_dataset
from .recipe import StudyRecipe
from .reported import ALONE, FROZEN, FROZEN_ROWS, MIXED, ROWS, VARIANTS, Column
from .table import Figure, Run, difference, figure, finished_runs

PAGE, DATA = "index.html", "study.json"
COLUMNS: tuple[Column, ...] = (
    (KEYWORD_HEAD, ALONE),
    (SCENE_HEAD, ALONE),
    (KEYWORD_HEAD, MIXED),
    (SCENE_HEAD, MIXED),
)
_TITLES = {
    (KEYWORD_HEAD, ALONE): "keywords alone",
    (SCENE_HEAD, ALONE): "scenes alone",
    (KEYWORD_HEAD, MIXED): "keywords, mixed",
    (SCENE_HEAD, MIXED): "scenes, mixed",
}
_SPLITS = ("validation", "test")

_CLAIMS = (
    (
        "Mixing makes the keyword head robust",
        "trained on the mixture, against keywords alone (base-scd), both judged on the mixture",
        [("run4", "base-scd"), ("run5", "base-scd"), ("run6", "base-scd"), ("runx", "base-scd")],
    ),
    (
        "Plain augmentation beats multitask",
        "scenes mixed in without their labels (run X), against both heads on the same ratio",
        [("runx", "run5"), ("runx", "run6")],
    ),
    (
        "Fine-tuning hurts under noise",
        "heads fine-tuned on their own tasks, against the joint run they start from",
        [("run7", "run4"), ("run8", "run5"), ("run9", "run6")],
    ),
)


def write_page(out: Path, folders: Folders) -> Path:
    """Write `out`/index.html, which needs nothing beside it, and its figures as `out`/study.json.

    Args:
        out: the study's folder; all its finished runs are shown.
        folders: the data they were trained on.

    Returns:
        the page.

    Raises:
        InputError: the folder cannot be written.
    """
    found = finished_runs(out)
    groups = {(v, r): [x for x in found if (x.variant, x.row) == (v, r)] for v in VARIANTS for r in ROWS}
    groups = {key: group for key, group in groups.items() if group}
    tables = {
        variant: [_table_row(group) for (v, _), group in groups.items() if v == variant]
        for variant in VARIANTS
        if any(v == variant for v, _ in groups)
    }
    content = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{_processor()}, {platform.system()} {platform.machine()}",
        "versions": runs.versions(),
        "tables": tables,
        "claims": {variant: _claims(groups, variant) for variant in recipes.VARIANTS if variant in tables},
        "frozen_heads": _frozen(groups),
        "data": [_describe(dataset) for dataset in _datasets(folders)],
    }
    atomic.write_text(out / DATA, json.dumps(content, indent=1) + "\n")
    text = _template().render(
        content, columns=COLUMNS, titles=_TITLES, splits=_SPLITS, pictures=_pictures(out, groups, folders)
    )
    atomic.write_text(out / PAGE, text)
    return out / PAGE


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}"
    environment.filters["points"] = lambda share: f"{100 * share:+.1f}"
    return environment.from_string((resources.files(__package__) / "page.html").read_text(encoding="utf-8"))


def _plain(found: Figure | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "accuracy": round(found.accuracy, 5),
        "ci95": [round(found.low, 5), round(found.high, 5)],
        "n": found.n,
        "seeds": [round(accuracy, 5) for accuracy in found.seeds],
    }


def _table_row(group: list[Run]) -> dict[str, Any]:
    first = group[0]
    reported = ROWS[first.row]
    cells = {}
    for split, study in zip(_SPLITS, (reported.validation, reported.test), strict=True):
        cells[split] = {
            f"{head} {set_}": {
                "study": study.get((head, set_)),
                "ours": _plain(figure(group, split, set_, head)),
            }
            for head, set_ in COLUMNS
        }
    at_ratio = {
        split: {name: _plain(figure(group, split, name, KEYWORD_HEAD)) for name in ("snr10", "snr0")}
        for split in _SPLITS
    }
    return {
        "row": first.row,
        "variant": first.variant,
        "seeds": [run.seed for run in group],
        "epochs": [run.epochs for run in group],
        "mixed_set": next(e["set"] for e in first.evaluation["validation"] if e["kind"] == "mel")
        if any(e["kind"] == "mel" for e in first.evaluation["validation"])
        else None,
        "cells": cells,
        "waveforms": at_ratio,
    }


Groups = dict[tuple[str, str], list[Run]]


def _compare(group: list[Run], others: list[Run], names: tuple[str, str]) -> dict[str, Any]:
    """The keyword head's differences of two rows, in shares of 1."""
    compared: dict[str, Any] = {
        "rows": names,
        "epochs": [[run.epochs for run in group], [run.epochs for run in others]],
    }
    for split in _SPLITS:
        for set_ in (MIXED, ALONE, "snr10", "snr0"):
            found = difference(group, others, split, set_, KEYWORD_HEAD)
            if found is not None:
                value, low, high = found
                verdict = "better" if low > 0 else "worse" if high < 0 else "no difference beyond chance"
                compared[f"{split} {set_}"] = {
                    "difference": round(value, 5),
                    "ci95": [round(low, 5), round(high, 5)],
                    "verdict": verdict,
                }
    return compared


def _claims(groups: Groups, variant: str) -> list[dict[str, Any]]:
    claims = []
    for title, how, pairs in _CLAIMS:
        compared = [
            _compare(groups[variant, one], groups[variant, other], (one, other))
            for one, other in pairs
            if (variant, one) in groups and (variant, other) in groups
        ]
        if compared:
            claims.append({"title": title, "how": how, "compared": compared})
    return claims


def _frozen(groups: Groups) -> list[dict[str, Any]]:
    """The documented joint rows against the same with frozen heads: nothing else differs."""
    return [
        _compare(groups["documented", row], groups[FROZEN, row], (row, f"{row}, heads frozen"))
        for row in FROZEN_ROWS
        if ("documented", row) in groups and (FROZEN, row) in groups
    ]


def _datasets(folders: Folders) -> list[Dataset]:
    return [read_dataset(folder) for folder in (folders.speech, folders.scenes) if folder is not None]


def _describe(dataset: Dataset) -> dict[str, Any]:
    return {
        "folder": dataset.folder.name,
        "layout": dataset.layout,
        "splits": counts(dataset),
        "sources_in_two_splits": len(leaks(dataset)),
    }


def _pictures(out: Path, groups: Groups, folders: Folders) -> list[dict[str, str]]:
    """Each a title and a picture that the page carries inside; they are kept in `out`/plots as well."""
    made: list[tuple[str, Path]] = []
    folder = out / "plots"
    for variant in VARIANTS:
        shown = {row: group[0] for (v, row), group in groups.items() if v == variant}
        if shown:
            path = folder / f"curves_{variant}.png"
            rates = {row: _half_cycle(run) for row, run in shown.items()}
            plots.study_curves({row: run.history for row, run in shown.items()}, rates, path)
            made.append((f"Learning curves and learning rate, {variant}, first seed", path))
    for dataset in _datasets(folders):
        path = folder / f"class_counts_{dataset.folder.name}.png"
        plots.class_counts(counts(dataset), path)
        made.append((f"Clips per class and split: {dataset.folder.name}", path))
        path = folder / f"leaks_{dataset.folder.name}.png"
        plots.shared_sources(dataset.clips, path)
        made.append((f"Sources that two splits share: {dataset.folder.name}", path))
    for (variant, row), group in tqdm(groups.items(), desc="pictures", leave=False):
        for path in sorted((group[0].folder / "plots").glob("mixing_steps.png")):
            if row in ("run6", "base-scd"):
                made.append((f"What happens to a batch: {row}, {variant}", path))
        for path in sorted((group[0].folder / "plots").glob("confusion_*.png")):
            head = path.stem.removeprefix("confusion_")
            made.append((f"{row}, {variant}, seed {group[0].seed}: {head} alone, validation", path))
    return [
        {"title": title, "data": base64.b64encode(path.read_bytes()).decode("ascii")} for title, path in made
    ]


def _half_cycle(run: Run) -> tuple[float, float, float]:
    """Lowest and highest learning rate, and epochs from one to the other."""
    recipe = recipes.load(str(run.folder / runs.RECIPE))
    assert isinstance(recipe, StudyRecipe)  # noqa: S101  finished_runs finds no others
    plan = recipe.optimisation
    return plan.learning_rate_min, plan.learning_rate_max, plan.half_cycle_epochs


def _processor() -> str:
    """The processor's name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
