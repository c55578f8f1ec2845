"""Trains a row of the study's table into the folder of a run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from kws_device import InputError

from ...data.corpus import Folders
from ...evaluation.scheme import TrainingOptions
from ...loop import runs
from ...loop.run_folder import run_folder
from ...loop.warm_start import check_labels, take_weights
from .eval_sets import eval_sets, remember_normalisation, validation_set
from .features import default_cache
from .prepare import prepare, read_datasets, with_keywords
from .recipe import FORMAT, FineTuningConfig, StudyRecipe
from .stages import stage_of


def train(recipe: StudyRecipe, folders: Folders, out: Path, options: TrainingOptions) -> Path:
    """Train a row of the study's table; the run's folder gets the recipe, the model, history and pictures.

    A fine-tuned row trains its base first, in `out`/base, and each head but the last in a folder of its
    own; all of them are runs like any other.

    Args:
        recipe: any of the study's.
        folders: where the data lies.
        out: the run's folder; must not hold another run unless resumed.
        options: without a teacher; a fine-tuned row starts from a run of its base.

    Returns:
        the path of the best model.

    Raises:
        InputError: data, recipe or folder that do not fit; nothing is written then.
    """
    for name, given in (("--teacher", options.teacher), ("--hard", folders.hard)):
        if given:
            raise InputError(f"{name}: not for {recipe.name}, a recipe of the study; leave it out")
    with run_folder(out):
        cache = options.cache or default_cache()
        return _train_in_turn(recipe, folders, out, cache, options.resume, options.start_from)


def _train_in_turn(
    recipe: StudyRecipe, folders: Folders, out: Path, cache: Path, resume: bool, start_from: Path | None
) -> Path:
    *before, _ = _runs_in_turn(recipe, out, start_from)
    if before and not (out / runs.CHECKPOINT).is_file():
        resume = False  # what was interrupted is in a folder of its own
    if before:
        # Now rather than after the earlier runs.
        runs.check_folder(out, with_keywords(recipe, read_datasets(recipe, folders)), FORMAT, resume)
    for earlier, folder in before:
        if not runs.is_finished(folder):
            with run_folder(folder):
                _train(earlier, folders, folder, cache, (folder / runs.CHECKPOINT).is_file(), start_from)
        start_from = folder
    return _train(recipe, folders, out, cache, resume, start_from)


def _runs_in_turn(recipe: StudyRecipe, out: Path, base: Path | None) -> list[tuple[StudyRecipe, Path]]:
    """The runs that make a row, with their folders: the base if none is given, then each head."""
    tuning = recipe.fine_tuning
    turns = []
    if tuning.heads and base is None:
        untuned = replace(recipe, name=tuning.base, fine_tuning=FineTuningConfig("", (), 0, 0.0))
        turns.append((untuned, out / "base"))
    for n, head in enumerate(tuning.heads[:-1], start=1):
        earlier = replace(recipe, fine_tuning=replace(tuning, heads=tuning.heads[:n]))
        turns.append((earlier, out / f"{head}-head"))
    return [*turns, (recipe, out)]


def _train(
    recipe: StudyRecipe, folders: Folders, out: Path, cache: Path, resume: bool, start_from: Path | None
) -> Path:
    datasets = read_datasets(recipe, folders)
    recipe = with_keywords(recipe, datasets)
    runs.check_folder(out, recipe, FORMAT, resume)
    prepared = prepare(recipe, folders, datasets, cache)
    manifest, corpus = prepared.manifest, prepared.validation
    stage = stage_of(recipe)
    check = validation_set(recipe, stage, corpus)

    if start_from is not None:
        check_labels(start_from, manifest, whole=True)
    print(f"training {recipe.name}, {recipe.variant}: {out}", file=sys.stderr)

    # Heavy, and noisy on standard error: only once all input is known to be good.
    import keras

    from ...evaluation import plots
    from ...evaluation.evaluate import finish
    from ...evaluation.scoring import validation_arrays
    from ...loop.devices import all_devices, divisible
    from ...loop.fit import Plan, fit
    from .batches import SpectrogramBatches
    from .network import compiled
    from .steps import steps

    keras.utils.set_random_seed(recipe.seed)
    heads = {head: len(labels) for head, labels in manifest.labels.items()}

    def batches(epoch: int) -> SpectrogramBatches:
        return SpectrogramBatches(prepared.examples, recipe, stage, epoch)

    validation = validation_arrays([check], manifest, prepared.scene_normalisation)
    with all_devices(recipe.optimisation.batch_size) as devices:
        model = compiled(recipe, heads, len(batches(0)))
        if start_from is not None:
            take_weights(model, start_from, manifest, whole=True)
        runs.begin(out, recipe, folders, manifest)
        remember_normalisation(out, prepared.scene_normalisation)
        plan = Plan(stage.epochs, recipe.seed, batches, divisible(validation, devices), stage.best)
        rows = fit(model, plan, out, resume)
    plots.mixing_steps(steps(prepared.examples, recipe, stage), out / "plots" / "mixing_steps.png")
    own = prepared.scene_normalisation
    finish(out, manifest, eval_sets(recipe, manifest, corpus, (), own), rows, own)
    return out / runs.MODEL
