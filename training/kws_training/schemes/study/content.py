"""The content of a study's page: tables, claims, frozen heads, data."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from ...data.check import counts, leaks
from ...data.layouts import Dataset
from ...loop import runs
from .recipe import VARIANTS
from .reported import ALONE, FROZEN, FROZEN_ROWS, MIXED, ROWS, TABLE_VARIANTS, Column
from .table import Figure, Run, difference, figure

Groups = dict[tuple[str, str], list[Run]]
"""Finished runs, a seed each, by variant and row."""

COLUMNS: tuple[Column, ...] = (
    (KEYWORD_HEAD, ALONE),
    (SCENE_HEAD, ALONE),
    (KEYWORD_HEAD, MIXED),
    (SCENE_HEAD, MIXED),
)
TITLES = {
    (KEYWORD_HEAD, ALONE): "keywords alone",
    (SCENE_HEAD, ALONE): "scenes alone",
    (KEYWORD_HEAD, MIXED): "keywords, mixed",
    (SCENE_HEAD, MIXED): "scenes, mixed",
}
SPLITS = ("validation", "test")

_CLAIMS = (
    (
        "Mixing makes the keyword head robust",
        "trained on the mixture, against keywords alone (base-scd), both judged on the mixture 60:40",
        [("run5", "base-scd"), ("run6", "base-scd"), ("runx", "base-scd")],
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


def grouped(found: Sequence[Run]) -> Groups:
    """Runs by variant and row, in the table's order."""
    groups = {
        (v, r): [x for x in found if (x.variant, x.row) == (v, r)] for v in TABLE_VARIANTS for r in ROWS
    }
    return {key: group for key, group in groups.items() if group}


def content(groups: Groups, datasets: Sequence[Dataset]) -> dict[str, Any]:
    """The page's figures, fit for JSON; accuracies and their differences are shares of 1.

    Args:
        groups: the runs.
        datasets: what they were trained on.
    """
    tables = {
        variant: [_table_row(group) for (v, _), group in groups.items() if v == variant]
        for variant in TABLE_VARIANTS
        if any(v == variant for v, _ in groups)
    }
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{runs.processor()}, {platform.system()} {platform.machine()}",
        "versions": runs.versions(),
        "tables": tables,
        "claims": {variant: _claims(groups, variant) for variant in VARIANTS if variant in tables},
        "frozen_heads": _frozen(groups),
        "data": [_describe(dataset) for dataset in datasets],
    }


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
    for split, study in zip(SPLITS, (reported.validation, reported.test), strict=True):
        cells[split] = {
            f"{head} {set_}": {
                "study": study.get((head, set_)),
                "ours": _plain(figure(group, split, set_, head)),
            }
            for head, set_ in COLUMNS
        }
    at_ratio = {
        split: {name: _plain(figure(group, split, name, KEYWORD_HEAD)) for name in ("snr10", "snr0")}
        for split in SPLITS
    }
    return {
        "row": first.row,
        "variant": first.variant,
        "seeds": [run.seed for run in group],
        "epochs": [run.epochs for run in group],
        "mixed_set": next((e["set"] for e in first.evaluation["validation"] if e["kind"] == "mel"), None),
        "cells": cells,
        "waveforms": at_ratio,
    }


def _compare(group: list[Run], others: list[Run], names: tuple[str, str]) -> dict[str, Any]:
    """The keyword head's differences of two rows, in shares of 1."""
    compared: dict[str, Any] = {
        "rows": names,
        "epochs": [[run.epochs for run in group], [run.epochs for run in others]],
    }
    for split in SPLITS:
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


def _describe(dataset: Dataset) -> dict[str, Any]:
    return {
        "folder": dataset.folder.name,
        "layout": dataset.layout,
        "splits": counts(dataset),
        "sources_in_two_splits": len(leaks(dataset)),
    }
