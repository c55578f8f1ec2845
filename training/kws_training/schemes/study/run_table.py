"""kws-train study: trains every row of the table, and writes the page."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from kws_device import InputError

from ...data.corpus import Folders
from ...evaluation.scheme import TrainingOptions
from ...loop import runs
from .page import write_page
from .reported import FROZEN, FROZEN_ROWS, ROWS
from .table import judge_run, load_row, run_folder
from .train import train


def run_table(
    folders: Folders,
    out: Path,
    cache: Path | None,
    only: Sequence[str],
    variants: Sequence[str],
    seeds: int,
    epochs: int | None,
) -> Path:
    """Train and judge what is not there yet, then write the page about all that is.

    Args:
        folders: speech and scenes.
        out: the study's folder; its runs lie below `out`/runs.
        cache: folder of prepared features; None: the user's cache folder.
        only: rows; none: all.
        variants: of reported.TABLE_VARIANTS.
        seeds: 1 to this.
        epochs: instead of the recipes', for each stage.

    Returns:
        the page.

    Raises:
        InputError: an unknown row, or data or folders that do not fit.
    """
    if unknown := set(only) - set(ROWS):
        raise InputError(f"--only {sorted(unknown)[0]}: not a row of the study; those are {', '.join(ROWS)}")
    if folders.speech is None or folders.scenes is None:
        raise InputError("the study needs both datasets; give --speech and --scenes")
    jobs = [
        (load_row(row, variant, seed, epochs), run_folder(out, variant, row, seed))
        for variant in variants
        for row in ROWS
        if (not only or row in only) and (variant != FROZEN or row in FROZEN_ROWS)
        for seed in range(1, seeds + 1)
    ]
    # Each model's functions are traced anew, as they must be; TensorFlow would warn of it every time.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    for number, (recipe, folder) in enumerate(jobs, start=1):
        told = f"{number} of {len(jobs)}: {recipe.name}, {recipe.variant}, seed {recipe.seed}"
        if runs.is_finished(folder):
            done = len(runs.read_history(folder / runs.HISTORY))
            print(f"{told}: done before, with {done} epochs", file=sys.stderr)
        else:
            print(told, file=sys.stderr)
            base = run_folder(out, recipe.variant, recipe.fine_tuning.base, recipe.seed)
            start = base if recipe.fine_tuning.heads and runs.is_finished(base) else None
            resume = (folder / runs.CHECKPOINT).is_file()
            train(recipe, folders, folder, TrainingOptions(resume, start, cache=cache))
        judge_run(folder, folders)
    return write_page(out, folders)
