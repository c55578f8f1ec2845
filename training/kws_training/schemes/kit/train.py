"""A run: from a recipe and folders of data to a folder with the trained model and all that explains it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kws_device.errors import InputError
from kws_device.front_end import Normalisation
from kws_device.manifest import (
    KEYWORD_HEAD,
    SCENE_HEAD,
)
from kws_device.untrusted_text import printable

from ...data.corpus import Folders, check_keywords, keyword_labels, load_corpus, split_rules
from ...evaluation.eval_sets import SNRS_DB, backgrounds_of, check_scenes, evaluation_sets, material
from ...loop import runs
from ...loop.bn_folding import folded
from ...loop.manifest import first_manifest
from ...loop.memory import free_bytes
from ...loop.run_folder import run_folder
from ...loop.warm_start import check_labels, manifest_of, take_file_weights, take_weights
from .distillation import Teacher, check_teacher
from .examples import Examples
from .recipe import Recipe

if TYPE_CHECKING:
    import keras

    from .batches import Batches

_STATISTICS_WINDOWS = 4096
# Streams of random numbers that must not meet those of the epochs, which start at 0.
_STATISTICS_STREAM = 1 << 30
_VALIDATION_SNR_DB = 5.0


def train(
    recipe: Recipe,
    folders: Folders,
    out: Path,
    resume: bool = False,
    start_from: Path | None = None,
    teacher: Path | None = None,
) -> Path:
    """Train a recipe; the run's folder gets the recipe, the model, history, metrics and plots.

    Args:
        recipe: fully resolved.
        folders: where the data lies.
        out: the run's folder; must not hold another run unless resumed.
        resume: go on after the last finished epoch of the run in `out`.
        start_from: a run whose weights to start from, where names and shapes agree; or a float .onnx of the
            same network, or a shipped one's name.
        teacher: a run, a model file or a shipped model's name, whose scores are a share of the targets.

    Returns:
        the path of the best model.

    Raises:
        InputError: data, recipe or folder that do not fit; nothing is written then.
    """
    with run_folder(out):
        return _train(recipe, folders, out, resume, start_from, teacher)


def _train(
    recipe: Recipe,
    folders: Folders,
    out: Path,
    resume: bool,
    start_from: Path | None,
    teacher: Path | None,
) -> Path:
    runs.check_folder(out, recipe, resume)
    aware = recipe.quantisation.aware
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
    if start_from is not None and not start_from.is_dir():
        normalisation = manifest_of(start_from).normalisation  # what its weights were made for
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
    finish(out, recipe, manifest, validation_corpus, rows, SNRS_DB)
    return out / runs.MODEL


def _tell_memory(recipe: Recipe, needed_bytes: int, most_bytes: int) -> None:
    """Say how much memory the epochs take that are repeated, and what does not fit."""
    if needed_bytes:
        told = f"memory: the {recipe.epoch.drawn} epochs that are drawn take {needed_bytes / 1e9:.2f} GB"
        if needed_bytes > most_bytes:
            told += (
                f"; {most_bytes / 1e9:.2f} GB are kept (half of what is free), the rest is drawn again each "
                "time, which is slower and gives the same result; --set epoch.drawn=N draws fewer"
            )
        print(told, file=sys.stderr)


def _check_start(recipe: Recipe, start_from: Path | None) -> None:
    """Raises InputError where a run cannot start from nothing, or not from that run."""
    aware = recipe.quantisation.aware
    if start_from is None:
        if aware:
            raise InputError("quantisation.aware: fine-tunes a trained run; name it with --from RUN")
        return
    if not start_from.is_dir():
        if manifest_of(start_from).front_end != recipe.front_end:
            raise InputError(f"{start_from}: has another [front_end] than the recipe; name another --from")
        return
    other, _ = runs.read_run(start_from)
    same = isinstance(other, Recipe) and (other.model, other.front_end) == (recipe.model, recipe.front_end)
    if aware and not same:
        raise InputError(
            f"{start_from}: has another network; quantisation.aware wants its [model] and [front_end]"
        )
    if isinstance(other, Recipe) and other.quantisation.aware and not aware:
        raise InputError(
            f"{start_from}: a run with quantisation.aware has no batch normalisation left to train; "
            "start from the run that it started from"
        )


def new_network(recipe: Recipe, labels: dict[str, int]) -> keras.Model:
    """The recipe's network with new weights, as an export gets it.

    Args:
        recipe: its front end, its model, and whether it is aware of int8.
        labels: number of labels by head.
    """
    from .network import residual_network

    network = residual_network(recipe.front_end, recipe.model, labels)
    return folded(network) if recipe.quantisation.aware else network


def compiled(network: keras.Model, recipe: Recipe, steps: int, shares: NDArray[np.float64]) -> keras.Model:
    """A network ready to be fitted; where the recipe says so, with int8's rounding around its weights.

    Args:
        network: of `new_network`.
        recipe: its optimisation, and whether it is aware of int8.
        steps: of an epoch.
        shares: of the keyword labels in training, see `statistics`.
    """
    import keras

    from ...loop.fit import warmed_up
    from .losses import BalancedCrossentropy
    from .qat import with_rounding

    model = with_rounding(network) if recipe.quantisation.aware else network
    plan = recipe.optimisation
    rate = warmed_up(plan.learning_rate, plan.warmup_share, plan.epochs * steps)
    losses = {
        KEYWORD_HEAD: BalancedCrossentropy((shares**plan.balance).tolist(), plan.label_smoothing),
        SCENE_HEAD: keras.losses.CategoricalCrossentropy(),
    }
    weights = {KEYWORD_HEAD: 1.0, SCENE_HEAD: plan.scene_loss_weight}
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=plan.weight_decay),
        loss={head: losses[head] for head in model.output},
        loss_weights={head: weights[head] for head in model.output},
        weighted_metrics={head: ["accuracy"] for head in model.output},
    )
    return model


def statistics(examples: Examples, recipe: Recipe) -> tuple[Normalisation, NDArray[np.float64]]:
    """What training windows are like.

    Returns:
        mean and standard deviation of each mel band; and the share of each keyword label in the targets,
        shape (labels,), none of them zero.
    """
    rng = np.random.default_rng([recipe.seed, _STATISTICS_STREAM])
    plan = examples.plan(rng)[:_STATISTICS_WINDOWS]
    heard, counts = [], np.ones(len(keyword_labels(recipe.keywords)))
    for i in range(0, len(plan), 256):
        sounds, targets = examples.draw(plan[i : i + 256], rng)
        heard.append(examples.mels(sounds))
        np.add.at(counts, targets.keyword, targets.keyword_weight)
    mels = np.concatenate(heard).reshape(-1, recipe.front_end.mels)
    normalisation = Normalisation(
        tuple(round(float(m), 4) for m in mels.mean(axis=0, dtype=np.float64)),
        tuple(round(float(s), 4) for s in mels.std(axis=0, dtype=np.float64)),
    )
    return normalisation, counts / counts.sum()
