"""Fits a model epoch by epoch; an interrupted training resumes with the same result."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from kws_device._support import atomic

from . import runs
from .event_log import log_epoch


def without_optimizer(model: keras.Model) -> keras.Model:
    """The model as anything can load it, a third of the size of what is fitted."""
    return keras.Model(model.input, model.output)


def warmed_up(
    peak: float, warmup_share: float, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate of a fit: up to its peak in a straight line, then down to zero along a cosine.

    Args:
        peak: the highest learning rate.
        warmup_share: share of the steps on the way up.
        steps: of all epochs together.
    """
    warmup = round(warmup_share * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - warmup),
        warmup_target=peak,
        warmup_steps=warmup,
    )


@dataclass(frozen=True)
class Plan:
    """What a model is fitted to."""

    epochs: int
    """Passes in all."""
    seed: int
    """Of dropout."""
    batches: Callable[[int], keras.utils.PyDataset]
    """An epoch's batches, by its number from 0; the same each time it is asked."""
    validation: Any
    """What `keras.Model.fit` takes as validation_data."""
    best: str
    """The head whose validation accuracy, or the figure of `judge`, that chooses the model that is kept."""
    kept: Callable[[keras.Model], keras.Model] = without_optimizer
    """What of the fitted model is kept."""
    judge: Callable[[keras.Model], dict[str, float]] | None = None
    """What else is measured after each epoch, by name; the names become columns of the history."""


def fit(model: keras.Model, plan: Plan, out: Path, resume: bool) -> list[dict[str, float]]:
    """Fit a compiled model; `out` gets the best model, the history, a checkpoint and TensorBoard's log.

    Args:
        model: built and compiled by the same code each time, so that a checkpoint's state fits.
        plan: what to fit it to.
        out: the run's folder.
        resume: go on from the checkpoint in `out`.

    Returns:
        the history, a row for each epoch.
    """
    rows: list[dict[str, float]] = []
    _make_variables(model, plan.batches(0)[0])
    if resume:
        _take_state(model, runs.load_keras(out / runs.CHECKPOINT, with_optimizer=True))
        # The checkpoint says where the run stands; the history may be an epoch ahead of it.
        rows = runs.read_history(out / runs.HISTORY)
        rows = rows[: int(model.optimizer.iterations) // len(plan.batches(0))]
    for epoch in range(len(rows), plan.epochs):
        _record(out, model, rows, _fit_epoch(model, plan, epoch), plan)
    return rows


def _make_variables(model: keras.Model, batch: Any) -> None:
    """Make the variables of the optimizer, the loss and the metrics before the first step.

    With TensorFlow, Keras leaves them to the first step, and TensorFlow traces a step twice that makes
    variables. That takes seconds.
    """
    if keras.backend.backend() != "tensorflow":
        return
    mels, targets, weights = batch
    scores = {
        head: np.zeros((len(mels), *output.shape[1:]), np.float32) for head, output in model.output.items()
    }
    model.optimizer.build(model.trainable_variables)
    model.compute_loss(None, targets, scores, weights)
    model.compute_metrics(None, targets, scores, weights)
    model.reset_metrics()


def _take_state(model: keras.Model, checkpoint: keras.Model) -> None:
    """Weights and optimizer state into a model built anew.

    The checkpoint's own graph adds gradients up in another order, and the last digits would differ.
    """
    model.set_weights(checkpoint.get_weights())
    model.optimizer.build(model.trainable_variables)
    for ours, theirs in zip(model.optimizer.variables, checkpoint.optimizer.variables, strict=True):
        ours.assign(theirs)


def _fit_epoch(model: keras.Model, plan: Plan, epoch: int) -> dict[str, float]:
    """One pass, after which the model depends on the plan and the epoch alone."""

    def seed_dropout(epoch: int, logs: Any = None) -> None:
        # Keras does not save the state of dropout's generators; a function of the epoch needs no saving.
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign([plan.seed, epoch])

    batches = plan.batches(epoch)
    name = f"epoch {epoch + 1}/{plan.epochs}"
    with tqdm(total=len(batches), desc=name, leave=False) as bar:
        each = keras.callbacks.LambdaCallback(
            on_epoch_begin=seed_dropout, on_train_batch_end=lambda batch, logs=None: bar.update()
        )
        history = model.fit(
            batches,
            epochs=epoch + 1,
            initial_epoch=epoch,
            validation_data=plan.validation,
            validation_batch_size=256,
            shuffle=False,  # the plan is shuffled already, by a generator that can be repeated
            verbose=0,
            callbacks=[each],
        ).history
    row = {
        "epoch": float(epoch + 1),
        "learning_rate": float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)),
        **{_by_head(key, model): float(values[-1]) for key, values in sorted(history.items())},
    }
    figures = {head: row[key] for head in model.output if (key := f"val_{head}_accuracy") in row}
    if plan.judge is not None:
        figures |= (judged := plan.judge(model))
        row |= judged
    told = ", ".join(f"{what} {value:.4f}" for what, value in figures.items())
    print(f"{name}: loss {row['loss']:.3f}, validation {told}", file=sys.stderr)
    return row


def _by_head(key: str, model: keras.Model) -> str:
    """Keras leaves a head's name out where there is one head alone."""
    if len(model.output) > 1 or not key.endswith("accuracy"):
        return key
    (head,) = model.output
    return key if head in key else key.replace("accuracy", f"{head}_accuracy")


def _record(
    out: Path, model: keras.Model, rows: list[dict[str, float]], row: dict[str, float], plan: Plan
) -> None:
    """Keep an epoch: the model if none was better, the history, and last the point to resume from."""
    best = plan.best if plan.best in row else f"val_{plan.best}_accuracy"
    if row[best] >= max((earlier[best] for earlier in rows), default=-1.0):
        with atomic.replacing(out / runs.MODEL) as temporary:
            plan.kept(model).save(temporary)
    rows.append(row)
    runs.write_history(out / runs.HISTORY, rows)
    log_epoch(out / "tensorboard", len(rows), row)
    with atomic.replacing(out / runs.CHECKPOINT) as temporary:
        model.save(temporary)
