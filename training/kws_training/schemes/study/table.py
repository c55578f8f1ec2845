"""The study's table: the runs of each row, and their figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kws_device._support import atomic
from kws_device._support.schema import json_text

from ...data.corpus import Folders
from ...evaluation.evaluate import evaluate
from ...evaluation.metrics import Tally, ci95, difference_ci95, figures, pooled, tally
from ...evaluation.scheme import TrainedRun
from ...loop import runs
from .recipe import FORMAT, StudyRecipe, with_epochs
from .reported import ALONE, FROZEN, MIXED, ROWS, TABLE_VARIANTS
from .scheme import STUDY

EVALUATION = "evaluation.json"
_SNRS_DB = (10.0, 0.0)
"""Of the waveform sets beside the study's own: what its mixing is worth at a true ratio."""


def load_row(row: str, variant: str, seed: int, epochs: int | None) -> StudyRecipe:
    """The recipe of one of the table's runs, with `epochs` for each stage where they are given."""
    overrides: dict[str, Any] = {"seed": seed}
    if variant == FROZEN:
        overrides |= {"model.frozen_heads": True, "variant": FROZEN}
    recipe = FORMAT.load(row, overrides, "documented" if variant == FROZEN else variant)
    return recipe if epochs is None else with_epochs(recipe, epochs)


def judge_run(run: Path, folders: Folders) -> None:
    """Judge a finished run on validation and test, and keep what was right by speaker, once.

    Raises:
        InputError: the run or the folders cannot be used.
    """
    path = run / EVALUATION
    if path.is_file() and path.stat().st_mtime_ns >= (run / runs.MODEL).stat().st_mtime_ns:
        return
    recipe = FORMAT.load(str(run / runs.RECIPE))
    trained = TrainedRun(run, STUDY, recipe, runs.read_manifest(run))
    report: dict[str, list[dict[str, Any]]] = {}
    for split in ("validation", "test"):
        report[split] = []
        for set_, judged in evaluate(trained, folders, split, _SNRS_DB):
            entry = figures(set_, judged)
            for head, judgement in judged.items():
                entry[head]["by_source"] = tally(judgement)
            report[split].append(entry)
    atomic.write_text(path, json_text(report))


@dataclass(frozen=True)
class Figure:
    """An accuracy over one or more seeds."""

    accuracy: float
    """The mean over the seeds."""
    low: float
    high: float
    """95 % interval, by resampling speakers or recordings; every seed has its say on each of them."""
    n: int
    """Windows of one seed."""
    seeds: tuple[float, ...]
    """The accuracy of each."""


@dataclass(frozen=True)
class Run:
    """A finished run of the table."""

    folder: Path
    row: str
    variant: str
    seed: int
    epochs: int
    """That were trained, of the last stage."""
    history: list[dict[str, float]]
    evaluation: dict[str, list[dict[str, Any]]]

    def counts(self, split: str, set_: str, head: str) -> Tally | None:
        """What was right by source; None where the run has no such head or set.

        `set_` is alone, mixed, or a set's name.
        """
        for entry in self.evaluation[split]:
            if set_ in (entry["set"], {"clean": ALONE, "mel": MIXED}.get(entry["kind"])) and head in entry:
                return {source: (right, n) for source, (right, n) in entry[head]["by_source"].items()}
        return None


def run_folder(out: Path, variant: str, row: str, seed: int) -> Path:
    """Where a run of the table lies."""
    return out / "runs" / variant / row / f"seed{seed}"


def finished_runs(out: Path) -> list[Run]:
    """Every judged run below a study's folder, in the table's order."""
    found = []
    for variant in TABLE_VARIANTS:
        for row in ROWS:
            for path in sorted((out / "runs" / variant / row).glob(f"seed*/{EVALUATION}")):
                folder = path.parent
                history = runs.read_history(folder / runs.HISTORY)
                evaluation = json.loads(path.read_text(encoding="utf-8"))
                seed = int(folder.name.removeprefix("seed"))
                found.append(Run(folder, row, variant, seed, len(history), history, evaluation))
    return found


def _pooled(group: list[Run], split: str, set_: str, head: str) -> tuple[Tally, list[Tally]] | None:
    each = [counts for run in group if (counts := run.counts(split, set_, head)) is not None]
    if not each:
        return None
    return pooled(each), each


def figure(group: list[Run], split: str, set_: str, head: str) -> Figure | None:
    """The accuracy of a row's runs; None where it has no such head or set."""
    pooled = _pooled(group, split, set_, head)
    if pooled is None:
        return None
    total, each = pooled
    seeds = tuple(_accuracy(counts) for counts in each)
    low, high = ci95(total)
    n = sum(count for _, count in each[0].values())
    return Figure(float(np.mean(seeds)), low, high, n, seeds)


def difference(
    group: list[Run], others: list[Run], split: str, set_: str, head: str
) -> tuple[float, float, float] | None:
    """How much better `group` is than `others`, with its 95 % interval; None where one has no such figure."""
    ours, theirs = (_pooled(runs_, split, set_, head) for runs_ in (group, others))
    if ours is None or theirs is None or set(ours[0]) != set(theirs[0]):
        return None
    return (_accuracy(ours[0]) - _accuracy(theirs[0]), *difference_ci95(ours[0], theirs[0]))


def _accuracy(counts: Tally) -> float:
    return sum(right for right, _ in counts.values()) / sum(n for _, n in counts.values())
