"""Trains a verifier into the folder of a run."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.schema import plain
from kws_device.front_end import Normalisation
from kws_device.model import containers, model_file
from kws_device.model.manifest import VERIFIER_OUTPUT, Source
from kws_device.model.manifest_parts import VerifierConfig
from kws_device.model.model_file import ModelFile

from ...evaluation.scoring import keras_predictor
from ...loop import runs
from ...loop.run_folder import run_folder
from ...recipes.format import to_toml
from . import settings
from .calibration import Calibration, calibrated, shown_rate
from .examples import REFUSED, Examples
from .recipe import FORMAT, VerifierRecipe
from .sound import TRAIN, VALIDATION, SoundFolders, load_sounds, mined_hours
from .validation import Predict, Validation, build_validation

if TYPE_CHECKING:
    import keras

    from .batches import Batches

START = "start.json"
_REPRESENTATIVE = 1000
_REPRESENTATIVE_STREAM = 1 << 30
"""Of random numbers; the epochs' start at 0."""
_RECALL = "recall"
_CLIP_NORM = 5.0
"""The first steps of a new head would tear at convolutions that are trained already."""


def train_verifier(
    recipe: VerifierRecipe,
    first: str | Path | None,
    folders: SoundFolders,
    out: Path,
    start: Path | None = None,
    resume: bool = False,
    sources: tuple[Source, ...] = (),
) -> Path:
    """Train a verifier for a first network; the best epoch by recall at few false accepts is kept.

    Args:
        recipe: fully resolved.
        first: the first network's file, or a shipped model's name; None: the shipped default.
        folders: where the sound lies; mined stretches of training and of validation among them.
        out: the run's folder; must not hold another run unless resumed.
        start: whose weights to start from (`take_start`); None: new weights.
        resume: go on after the last finished epoch of the run in `out`.
        sources: of the data, for the manifest.

    Returns:
        the path of the trained verifier.

    Raises:
        InputError: a first network, sound or folder that does not fit; nothing is written then.
    """
    file = model_file.read(model_file.find(first, (containers.TFLITE, containers.ONNX)))
    check_first(recipe, file)
    with run_folder(out):
        return _train(recipe, file, folders, out, start, resume, sources)


def _train(
    recipe: VerifierRecipe,
    file: ModelFile,
    folders: SoundFolders,
    out: Path,
    start: Path | None,
    resume: bool,
    sources: tuple[Source, ...],
) -> Path:
    runs.check_folder(out, recipe, FORMAT, resume, settings.MODEL)
    hours = mined_hours(folders.hard, VALIDATION)
    rate = shown_rate(hours, recipe.look.false_accepts_per_hour)
    rate_hz = recipe.front_end.sample_rate_hz
    held_out = load_sounds(folders, recipe.keywords, rate_hz, VALIDATION)
    validation = build_validation(held_out, hours, recipe, file)
    del held_out
    examples = Examples(load_sounds(folders, recipe.keywords, rate_hz, TRAIN), recipe)
    normalisation = file.manifest.normalisation

    # Heavy, and noisy on standard error: only once all input is known to be good.
    import keras

    from ...loop.fit import Plan, fit
    from .batches import Batches, Drawn
    from .network import verifier_network
    from .start import take_start

    keras.utils.set_random_seed(recipe.seed)
    drawn = Drawn(examples, recipe)

    def batches(epoch: int) -> Batches:
        return Batches(drawn, recipe, normalisation, epoch)

    def judge(model: keras.Model) -> dict[str, float]:
        return {_RECALL: round(validation.recall(predictor(model)), 4)}

    network = verifier_network(recipe.stretch, recipe.model, len(recipe.keywords) + 1)
    if start is not None and not resume:
        take_start(network, start, (*recipe.keywords, REFUSED))
    _begin(out, recipe, start)
    _compile(network, recipe, len(batches(0)))
    plan = Plan(recipe.optimisation.epochs, recipe.seed, batches, None, _RECALL, judge=judge)
    rows = fit(network, plan, out, resume)
    best = runs.load_keras(out / runs.MODEL)
    _finish(out, recipe, file, validation, best, sources, rate, max(row[_RECALL] for row in rows))
    _save_representative(examples, recipe, normalisation, out)
    with atomic.replacing(out / settings.MODEL) as temporary:
        shutil.copyfile(out / runs.MODEL, temporary)
    return out / settings.MODEL


def check_first(recipe: VerifierRecipe, file: ModelFile) -> None:
    """Raises InputError where a recipe is not for a first network."""
    manifest = file.manifest
    if manifest.keywords != recipe.keywords:
        raise InputError(
            f"{file.path}: hears {', '.join(manifest.keywords)}, the recipe is for "
            f"{', '.join(recipe.keywords)}; give the same with --keywords"
        )
    if manifest.front_end != recipe.front_end:
        raise InputError(f"{file.path}: has another front end than the recipe; change [front_end]")


def predictor(model: keras.Model) -> Predict:
    """A Keras verifier as the function that validation asks."""
    predict = keras_predictor(model)
    return lambda mels: predict(mels)[VERIFIER_OUTPUT]


def _begin(out: Path, recipe: VerifierRecipe, start: Path | None) -> None:
    atomic.write_text(out / runs.RECIPE, to_toml(recipe))
    atomic.write_text(out / "environment.txt", runs.environment())
    if start is not None:
        atomic.write_text(out / START, json.dumps({"start": start.name}, allow_nan=False) + "\n")


def _compile(network: keras.Model, recipe: VerifierRecipe, steps: int) -> None:
    import keras

    from ...loop.fit import warmed_up

    plan = recipe.optimisation
    rate = warmed_up(plan.learning_rate, plan.warmup_share, plan.epochs * steps)
    network.compile(
        keras.optimizers.AdamW(rate, weight_decay=plan.weight_decay, global_clipnorm=_CLIP_NORM),
        loss={VERIFIER_OUTPUT: keras.losses.CategoricalCrossentropy()},
    )


def _finish(
    out: Path,
    recipe: VerifierRecipe,
    file: ModelFile,
    validation: Validation,
    model: keras.Model,
    sources: tuple[Source, ...],
    rate_per_hour: float,
    recall: float,
) -> None:
    """Calibrate the best epoch and write down how it is to be asked."""
    look = recipe.look
    calibration: Calibration = calibrated(validation, predictor(model), rate_per_hour)
    written = settings.Settings(
        first=file.manifest.hash,
        verifier=VerifierConfig(
            clip_ms=look.clip_ms,
            delay_ms=look.delay_ms,
            looks=look.looks,
            labels=(*recipe.keywords, REFUSED),
            softmax=False,
            candidate_thresholds=dict.fromkeys(recipe.keywords, look.candidate_threshold),
            first_weight=calibration.first_weight,
            scale=calibration.scale,
            offset=calibration.offset,
            sha256="",
        ),
        candidate_smoothing_s=look.candidate_smoothing_s,
        thresholds=dict.fromkeys(recipe.keywords, calibration.threshold),
        false_accepts_per_hour=round(rate_per_hour, 4),
        sources=sources,
        recipe=plain(recipe),
        metrics={
            "recall": recall,
            "keywords": len(validation.said.word) + validation.missed,
            "keywords_not_heard_by_the_first_network": validation.missed,
            "false_candidates": len(validation.false.word),
            "hours": round(validation.hours, 4),
        },
    )
    settings.write(written, out)
    print(f"{out}: {written.metrics}", file=sys.stderr)


def _save_representative(
    examples: Examples, recipe: VerifierRecipe, normalisation: Normalisation, out: Path
) -> None:
    """Windows of training as the verifier sees them, for the conversion to int8."""
    rng = np.random.default_rng([recipe.seed, _REPRESENTATIVE_STREAM])
    plan = examples.plan(rng)[:_REPRESENTATIVE]
    sounds, _ = examples.draw(plan, rng)
    windows = normalisation.apply(examples.mels(sounds)).astype(np.float16)
    with atomic.replacing(out / settings.WINDOWS) as temporary, temporary.open("wb") as content:
        np.savez_compressed(content, windows=windows)
