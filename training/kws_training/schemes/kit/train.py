"""Trains a recipe of the kit's scheme into the folder of a run."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kws_device import InputError
from kws_device._support.untrusted_text import printable
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from ...data.corpus import Folders, check_keywords, keyword_labels, load_corpus, split_rules
from ...evaluation.eval_sets import SNRS_DB, backgrounds_of, check_scenes, evaluation_sets, material
from ...evaluation.scheme import TrainingOptions
from ...loop import runs
from ...loop.manifest import first_manifest
from ...loop.memory import free_bytes
from ...loop.run_folder import run_folder
from ...loop.warm_start import check_labels, manifest_of, take_file_weights, take_weights
from .distillation import Teacher, check_teacher
from .examples import Examples
from .recipe import FORMAT, KitRecipe
from .statistics import statistics

if TYPE_CHECKING:
    from .batches import Batches

_VALIDATION_SNR_DB = 5.0


def train(recipe: KitRecipe, folders: Folders, out: Path, options: TrainingOptions) -> Path:
    """Train a recipe; the run's folder gets the recipe, the model, history, metrics and plots.

    Args:
        recipe: fully resolved.
        folders: where the data lies.
        out: the run's folder; must not hold another run unless resumed.
        options: weights are taken from another run where names and shapes agree.

    Returns:
        the path of the best model.

    Raises:
        InputError: data, recipe or folder that do not fit; nothing is written then.
    """
    with run_folder(out):
        return _train(recipe, folders, out, options)


def _train(recipe: KitRecipe, folders: Folders, out: Path, options: TrainingOptions) -> Path:
    resume, start_from, teacher = options.resume, options.start_from, options.teacher
    runs.check_folder(out, recipe, FORMAT, resume)
    aware = recipe.quantisation.qat
    if resume:
        runs.check_same_teacher(out, teacher)
    else:
        _check_start(recipe, start_from)
    if folders.speech is None:
        raise InputError("training needs --speech")
    check_keywords(folders.speech, recipe.keywords)
    front_end = recipe.front_end
    corpus = load_corpus(folders, recipe.keywords, front_end.sample_rate_hz, "train")
    examples = Examples(corpus, recipe)
    heads = {KEYWORD_HEAD: keyword_labels(recipe.keywords)}
    if folders.scenes is not None:
        heads[SCENE_HEAD] = tuple(examples.scene_labels)
    sizes = {name: len(labels) for name, labels in heads.items()}
    validation_corpus = load_corpus(folders, recipe.keywords, front_end.sample_rate_hz, "validation")
    held_out = material(validation_corpus, front_end.clip_samples)
    normalisation, shares = statistics(examples, recipe)
    if start_from is not None and (theirs := manifest_of(start_from)).front_end == front_end:
        normalisation = theirs.normalisation  # what its weights were made for
    manifest = first_manifest(recipe, folders, heads, normalisation)
    check_scenes(validation_corpus, manifest)

    if start_from is not None:
        check_labels(start_from, manifest, whole=aware)
    if teacher is not None:
        check_teacher(teacher, manifest)

    # Heavy, and noisy on standard error: only once all input is known to be good.
    import keras

    from ...evaluation.evaluate import finish
    from ...evaluation.scoring import validation_arrays
    from ...loop.devices import all_devices, divisible
    from ...loop.fit import Plan, fit, without_optimizer
    from .batches import Batches, Drawn
    from .model import compiled, new_network
    from .qat import without_rounding

    knows = None if teacher is None else Teacher(teacher, shares)
    keras.utils.set_random_seed(recipe.seed)
    most_bytes = free_bytes() // 2
    drawn = Drawn(examples, recipe, sizes, knows, most_bytes)

    def batches(epoch: int) -> Batches:
        return Batches(drawn, recipe, manifest.normalisation, epoch)

    mixed = backgrounds_of(validation_corpus)
    checks = evaluation_sets(held_out, mixed, [_VALIDATION_SNR_DB], front_end.clip_samples, recipe.seed)
    # Half of it clean words, half of it words over a background.
    validation = validation_arrays(list(checks), manifest)
    with all_devices(recipe.optimisation.batch_size) as devices:
        network = new_network(recipe, sizes)
        if start_from is not None and not resume:
            if start_from.is_dir():
                take_weights(network, start_from, manifest, whole=aware, fold=aware)
            else:
                windows = batches(0)[0][0]
                take_file_weights(network, start_from, manifest, aware, windows)
        model = compiled(network, recipe, len(batches(0)), shares)
        runs.begin(out, recipe, folders, manifest)
        runs.remember_teacher(out, teacher)
        validation = divisible(validation, devices)
        kept = partial(without_rounding, model=network) if aware else without_optimizer
        plan = Plan(recipe.optimisation.epochs, recipe.seed, batches, validation, KEYWORD_HEAD, kept)
        for kind, rule in split_rules(folders).items():
            print(printable(f"{kind}: {getattr(folders, kind)}, split by {rule}"), file=sys.stderr)
        _tell_memory(recipe, drawn.repeated_bytes, most_bytes)
        rows = fit(model, plan, out, resume)
    sets = evaluation_sets(held_out, mixed, SNRS_DB, front_end.clip_samples, recipe.seed)
    finish(out, manifest, sets, rows)
    return out / runs.MODEL


def _tell_memory(recipe: KitRecipe, needed_bytes: int, most_bytes: int) -> None:
    """Say how much memory the epochs take that are repeated, and what does not fit."""
    if needed_bytes:
        told = (
            f"memory: the {recipe.epoch.cached_epochs} epochs that are drawn take {needed_bytes / 1e9:.2f} GB"
        )
        if needed_bytes > most_bytes:
            told += (
                f"; {most_bytes / 1e9:.2f} GB are kept (half of what is free), the rest is drawn again each "
                "time, which is slower and gives the same result; --set epoch.cached_epochs=N draws fewer"
            )
        print(told, file=sys.stderr)


def _check_start(recipe: KitRecipe, start_from: Path | None) -> None:
    """Raises InputError where a run cannot start from nothing, or not from that run."""
    aware = recipe.quantisation.qat
    if start_from is None:
        if aware:
            raise InputError("quantisation.qat: fine-tunes a trained run; name it with --from RUN")
        return
    if not start_from.is_dir():
        if manifest_of(start_from).front_end != recipe.front_end:
            raise InputError(f"{start_from}: has another [front_end] than the recipe; name another --from")
        return
    runs.read_manifest(start_from)
    other = FORMAT.of_run(start_from / runs.RECIPE)
    same = other is not None and (other.model, other.front_end) == (recipe.model, recipe.front_end)
    if aware and not same:
        raise InputError(
            f"{start_from}: has another network; quantisation.qat wants its [model] and [front_end]"
        )
    if other is not None and other.quantisation.qat and not aware:
        raise InputError(
            f"{start_from}: a run with quantisation.qat has no batch normalisation left to train; "
            "start from the run that it started from"
        )
