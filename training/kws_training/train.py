"""A run: from a recipe and folders of data to a folder with the trained model and all that explains it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from kws_device import atomic
from kws_device.errors import InputError
from kws_device.front_end import Normalisation
from kws_device.manifest import (
    KEYWORD_HEAD,
    SCENE_HEAD,
    SCHEMA,
    SILENCE,
    UNKNOWN,
    DecoderConfig,
    Head,
    Manifest,
    Source,
    to_json,
)
from kws_device.strict import plain

from . import recipe as recipes
from . import runs
from .corpus import Folders, check_keywords, keyword_labels, load_corpus, provenance
from .evaluation import judge_set, keras_predictor
from .examples import Examples
from .recipe import Recipe
from .test_sets import SNRS_DB, EvaluationSet, check_scenes, evaluation_sets, material, scene_backgrounds

if TYPE_CHECKING:
    import keras

    from .batches import Batches

_STATISTICS_WINDOWS = 4096
# Streams of random numbers that must not meet those of the epochs, which start at 0.
_STATISTICS_STREAM = 1 << 30
_VALIDATION_SNR_DB = 5.0
_BEST = "val_keyword_accuracy"
"""Half of it on clean words, half of it over scenes at _VALIDATION_SNR_DB."""


def train(
    recipe: Recipe, folders: Folders, out: Path, resume: bool = False, start_from: Path | None = None
) -> Path:
    """Train a recipe; the run's folder gets the recipe, the model, history, metrics and plots.

    Args:
        recipe: fully resolved.
        folders: where the data lies.
        out: the run's folder; must not hold another run unless resumed.
        resume: go on after the last finished epoch of the run in `out`.
        start_from: a run whose weights to start from, where names and shapes agree.

    Returns:
        the path of the best model.

    Raises:
        InputError: data, recipe or folder that do not fit; nothing is written then.
    """
    runs.check_folder(out, recipe, resume)
    if folders.speech is None or folders.scenes is None:
        raise InputError("training needs --speech and --scenes")
    check_keywords(folders.speech, recipe.keywords)
    front_end = recipe.front_end
    corpus = load_corpus(folders, recipe.keywords, front_end.sample_rate_hz, "train")
    examples = Examples(corpus, recipe)
    heads = {KEYWORD_HEAD: keyword_labels(recipe), SCENE_HEAD: tuple(examples.scene_labels)}
    sizes = {name: len(labels) for name, labels in heads.items()}
    validation_corpus = load_corpus(folders, recipe.keywords, front_end.sample_rate_hz, "validation")
    held_out = material(validation_corpus, front_end.clip_samples)
    manifest = first_manifest(recipe, folders, heads, statistics(examples, recipe))
    check_scenes(validation_corpus, manifest)

    # Heavy, and noisy on standard error: only once all input is known to be good.
    import keras

    from .batches import Batches, validation_arrays
    from .network import residual_network

    keras.utils.set_random_seed(recipe.seed)
    atomic.write_text(out / runs.RECIPE, recipes.to_toml(recipe))
    runs.remember_folders(out, folders)
    atomic.write_text(out / "environment.txt", runs.environment())
    atomic.write_text(out / runs.MANIFEST, to_json(manifest))

    def batches(epoch: int) -> Batches:
        return Batches(examples, recipe, manifest.normalisation, sizes, epoch)

    steps = len(batches(0))
    rows: list[dict[str, float]] = []
    model = residual_network(front_end, recipe.model, sizes)
    _compile(model, recipe, steps)
    if resume:
        _take_state(model, runs.load_keras(out / runs.CHECKPOINT))
        # The checkpoint says where the run stands; the history may be an epoch ahead of it.
        rows = runs.read_history(out / runs.HISTORY)[: int(model.optimizer.iterations) // steps]
    elif start_from is not None:
        _take_weights(model, runs.load_keras(start_from / runs.MODEL))
    mixed = {"scenes": scene_backgrounds(validation_corpus)}
    checks = evaluation_sets(held_out, mixed, [_VALIDATION_SNR_DB], front_end.clip_samples, recipe.seed)
    validation = validation_arrays(list(checks), manifest)
    for epoch in range(len(rows), recipe.optimisation.epochs):
        figures = _fit_epoch(model, batches(epoch), validation, recipe, epoch)
        _record(out, model, rows, figures)
    _finish(
        out, manifest, evaluation_sets(held_out, mixed, SNRS_DB, front_end.clip_samples, recipe.seed), rows
    )
    return out / runs.MODEL


def _take_weights(model: keras.Model, donor: keras.Model) -> None:
    donors = {layer.name: layer for layer in donor.layers}
    for layer in model.layers:
        other = donors.get(layer.name)
        if other and [w.shape for w in layer.weights] == [w.shape for w in other.weights]:
            layer.set_weights(other.get_weights())


def _take_state(model: keras.Model, checkpoint: keras.Model) -> None:
    """Weights and optimizer state into a model built anew.

    The checkpoint's own graph adds gradients up in another order, and the last digits would differ.
    """
    model.set_weights(checkpoint.get_weights())
    model.optimizer.build(model.trainable_variables)
    for ours, theirs in zip(model.optimizer.variables, checkpoint.optimizer.variables, strict=True):
        ours.assign(theirs)


def _compile(model: keras.Model, recipe: Recipe, steps: int) -> None:
    import keras

    plan = recipe.optimisation
    warmup = round(plan.warmup_share * plan.epochs * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=plan.epochs * steps - warmup,
        warmup_target=plan.learning_rate,
        warmup_steps=warmup,
    )
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=plan.weight_decay),
        loss={
            KEYWORD_HEAD: keras.losses.CategoricalCrossentropy(label_smoothing=plan.label_smoothing),
            SCENE_HEAD: keras.losses.CategoricalCrossentropy(),
        },
        loss_weights={KEYWORD_HEAD: 1.0, SCENE_HEAD: plan.scene_loss_weight},
        weighted_metrics={KEYWORD_HEAD: ["accuracy"], SCENE_HEAD: ["accuracy"]},
    )


def statistics(examples: Examples, recipe: Recipe) -> Normalisation:
    """Mean and standard deviation of each mel band over training windows."""
    rng = np.random.default_rng([recipe.seed, _STATISTICS_STREAM])
    plan = examples.plan(rng)[:_STATISTICS_WINDOWS]
    mels = np.concatenate(
        [examples.mels(examples.draw(plan[i : i + 256], rng)[0]) for i in range(0, len(plan), 256)]
    ).reshape(-1, recipe.front_end.mels)
    return Normalisation(
        tuple(round(float(m), 4) for m in mels.mean(axis=0, dtype=np.float64)),
        tuple(round(float(s), 4) for s in mels.std(axis=0, dtype=np.float64)),
    )


def first_manifest(
    recipe: Recipe, folders: Folders, heads: dict[str, tuple[str, ...]], normalisation: Normalisation
) -> Manifest:
    """The manifest as training knows it; export adds metrics and the hash."""
    decoder = recipe.decoder
    smoothing = {KEYWORD_HEAD: decoder.keyword_smoothing_s, SCENE_HEAD: decoder.scene_smoothing_s}
    quiet = {KEYWORD_HEAD: (UNKNOWN, SILENCE), SCENE_HEAD: ()}
    return Manifest(
        schema=SCHEMA,
        name=recipe.name,
        front_end=recipe.front_end,
        normalisation=normalisation,
        heads=tuple(Head(name, labels, quiet[name], smoothing[name]) for name, labels in heads.items()),
        decoder=DecoderConfig(
            decision_ms=decoder.decision_ms,
            refractory_s=decoder.refractory_s,
            thresholds=dict.fromkeys(recipe.keywords, decoder.threshold),
            false_accepts_per_hour=None,
        ),
        sources=tuple(Source(name, licence) for name, licence in provenance(folders, recipe)),
        recipe=plain(recipe),
        metrics={},
        versions=runs.versions(),
        hash="",
    )


def _fit_epoch(
    model: keras.Model, batches: Batches, validation: Any, recipe: Recipe, epoch: int
) -> dict[str, float]:
    """One pass, after which the model depends on seed, recipe, data and epoch alone."""
    import keras

    def seed_dropout(epoch: int, logs: Any = None) -> None:
        # Keras does not save the state of dropout's generators; a function of the epoch needs no saving.
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign([recipe.seed, epoch])

    name = f"epoch {epoch + 1}/{recipe.optimisation.epochs}"
    with tqdm(total=len(batches), desc=name, leave=False) as bar:
        each = keras.callbacks.LambdaCallback(
            on_epoch_begin=seed_dropout, on_train_batch_end=lambda batch, logs=None: bar.update()
        )
        history = model.fit(
            batches,
            epochs=epoch + 1,
            initial_epoch=epoch,
            validation_data=validation,
            validation_batch_size=256,
            shuffle=False,  # the plan is shuffled already, by a generator that can be repeated
            verbose=0,
            callbacks=[each],
        ).history
    row = {
        "epoch": float(epoch + 1),
        "learning_rate": float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)),
        **{key: float(values[-1]) for key, values in sorted(history.items())},
    }
    print(
        f"{name}: loss {row['loss']:.3f}, validation keyword {row[_BEST]:.4f}, "
        f"scene {row['val_scene_accuracy']:.4f}",
        file=sys.stderr,
    )
    return row


def _record(out: Path, model: keras.Model, rows: list[dict[str, float]], row: dict[str, float]) -> None:
    """Keep an epoch: the model if none was better, the history, and last the point to resume from."""
    if row[_BEST] >= max((earlier[_BEST] for earlier in rows), default=-1.0):
        with atomic.replacing(out / runs.MODEL) as temporary:
            model.save(temporary)
    rows.append(row)
    runs.write_history(out / runs.HISTORY, rows)
    with atomic.replacing(out / runs.CHECKPOINT) as temporary:
        model.save(temporary)


def _finish(
    out: Path, manifest: Manifest, sets: Iterable[EvaluationSet], rows: list[dict[str, float]]
) -> None:
    from . import plots

    predict = keras_predictor(runs.load_keras(out / runs.MODEL), manifest.normalisation)
    judged = [(set_, judge_set(set_, manifest, predict)) for set_ in sets]
    report = [
        {
            "kind": set_.kind,
            "with": set_.background,
            "snr_db": set_.snr_db,
            **{head: {"accuracy": j.accuracy, "n": len(j.items)} for head, j in answers.items()},
        }
        for set_, answers in judged
    ]
    atomic.write_text(out / runs.METRICS, json.dumps({"validation": report}, indent=1))
    plots.learning_curves(rows, out / "plots" / "learning_curves.png")
    for head, judgement in judged[0][1].items():
        plots.confusion(judgement, manifest.labels[head], out / "plots" / f"confusion_{head}.png")
