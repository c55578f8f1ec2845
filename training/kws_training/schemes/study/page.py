"""Writes the page about a study."""

from __future__ import annotations

import base64
from pathlib import Path

from tqdm import tqdm

from kws_device._support import atomic
from kws_device._support.schema import json_text

from ...data.check import counts
from ...data.corpus import Folders
from ...data.layouts import Dataset, read_dataset
from ...evaluation import plots
from ...evaluation.html import template
from ...loop import runs
from .content import COLUMNS, SPLITS, TITLES, Groups, content, grouped
from .recipe import FORMAT
from .reported import TABLE_VARIANTS
from .table import Run, finished_runs

PAGE, DATA = "index.html", "study.json"


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
    groups = grouped(finished_runs(out))
    datasets = [read_dataset(folder) for folder in (folders.speech, folders.scenes) if folder is not None]
    figures = content(groups, datasets)
    atomic.write_text(out / DATA, json_text(figures, indent=1) + "\n")
    text = template("kws_training.schemes.study/page.html").render(
        figures, columns=COLUMNS, titles=TITLES, splits=SPLITS, pictures=_pictures(out, groups, datasets)
    )
    atomic.write_text(out / PAGE, text)
    return out / PAGE


def _pictures(out: Path, groups: Groups, datasets: list[Dataset]) -> list[dict[str, str]]:
    """Each a title and a picture that the page carries inside; they are kept in `out`/plots as well."""
    made: list[tuple[str, Path]] = []
    folder = out / "plots"
    for variant in TABLE_VARIANTS:
        shown = {row: group[0] for (v, row), group in groups.items() if v == variant}
        if shown:
            path = folder / f"curves_{variant}.png"
            rates = {row: _half_cycle(run) for row, run in shown.items()}
            plots.study_curves({row: run.history for row, run in shown.items()}, rates, path)
            made.append((f"Learning curves and learning rate, {variant}, first seed", path))
    for dataset in datasets:
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
    plan = FORMAT.load(str(run.folder / runs.RECIPE)).optimisation
    return plan.learning_rate_min, plan.learning_rate_max, plan.half_cycle_epochs
