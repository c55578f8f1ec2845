"""The study's published figures beside those of our runs of the same row."""

from __future__ import annotations

from typing import Any

from kws_training.schemes.study.content import COLUMNS
from kws_training.schemes.study.reported import ALONE, ROWS

from ..robustness.evaluate import Result


def study_row(result: Result) -> dict[str, Any] | None:
    """A row of the study's table, in the form of study.json; None for models that are no row of it."""
    recipe = result.manifest.recipe
    try:
        name, variant, seed = recipe["name"], recipe["variant"], recipe["seed"]
        ratio, epochs = list(recipe["evaluation"]["ratio"]), recipe["optimisation"]["epochs"]
        known = name in ROWS
    except (KeyError, TypeError):
        return None  # recipes are free in form; a model of another maker has another one
    if not known:
        return None
    split = result.report["split"]
    reported = {"validation": ROWS[name].validation, "test": ROWS[name].test}.get(split, {})
    sets = {entry["set"]: entry for entry in result.report["sets"]}
    mixed: dict[str, Any] = next((entry for entry in sets.values() if entry.get("ratio") == ratio), {})
    ours = {(head, set_): (sets["clean"] if set_ == ALONE else mixed).get(head) for head, set_ in COLUMNS}
    return {
        "row": f"{name}, {variant}",
        "seeds": [seed],
        "epochs": [epochs],
        "mixed_set": mixed.get("set"),
        "cells": {
            split: {
                f"{head} {set_}": {"study": reported.get((head, set_)), "ours": ours[head, set_]}
                for head, set_ in COLUMNS
            }
        },
        "waveforms": {split: {name: sets.get(name, {}).get("keyword") for name in ("snr10", "snr0")}},
    }
