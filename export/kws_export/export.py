"""Exports a run: converts it, compares the files with the model, writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.native_stderr import quiet_libraries
from kws_device._support.schema import json_text, plain
from kws_device.model import model_file
from kws_device.model.engine import load_engine
from kws_device.model.manifest import Manifest
from kws_device.model.model_file import ModelFile
from kws_training.data.corpus import Folders, load_corpus
from kws_training.evaluation.eval_sets import EvaluationSet, backgrounds_of, evaluation_sets, material
from kws_training.evaluation.scheme import TrainedRun
from kws_training.evaluation.scoring import keras_predictor, windows_of
from kws_training.loop import runs
from kws_training.recipes.parts import ExportLimits

from . import card, limits, onnx_model, parity, tflite_graph
from .calibration import GAINS_DB, calibration_windows
from .conversion import converted
from .files import FIGURES, FLOAT, INT8, INT8_ONNX, REPORT, all_or_nothing
from .logits import of_logits

if TYPE_CHECKING:
    import keras

_CALIBRATION_CLIPS = 1000
_PARITY_SNR_DB = 10.0
_REPORT_WINDOWS = 256
_SHORT = {"float": FLOAT, "int8": INT8, "int8_onnx": INT8_ONNX}
"""What the manifest calls the files."""


@dataclass(frozen=True)
class Options:
    """What a person may want otherwise."""

    limits: Sequence[str] = ()
    """KEY=VALUE each, instead of the recipe's."""
    test: bool = False
    """Whether the test split is measured, too, and must keep to the limits."""
    layers: bool = False
    """Whether the report by layer is written."""


def export(trained: TrainedRun, out: Path, options: Options, **given: Path | None) -> dict[str, Any]:
    """Convert a run, hold the files against the Keras model, and write them with their manifest.

    Args:
        trained: a run of kws-train, with its scheme.
        out: folder for the files.
        options: see there.
        given: data folders by kind, instead of those the run remembers.

    Returns:
        the content of export.json.

    Raises:
        InputError: no data, a model that int8 cannot carry, or a folder that cannot be written.
        RequirementError: files that are further from the model than the limits allow; nothing is written.
    """
    run, recipe, manifest = trained.folder, trained.recipe, trained.manifest
    folds = trained.scheme.folds(recipe)
    by_hand = limits.by_hand(options.limits)
    allowed = limits.in_force(recipe.export, by_hand)
    folders = runs.recall_folders(run, **given)
    with all_or_nothing(out) as folder:
        rate = recipe.front_end.sample_rate_hz
        sample = load_corpus(folders, recipe.keywords, rate, "train", _CALIBRATION_CLIPS, folds)
        calibrations = {gain_db: calibration_windows(trained, sample, gain_db) for gain_db in GAINS_DB}
        splits = ("validation", "test") if options.test else ("validation",)
        sets = {split: _sets(folders, manifest, folds, split) for split in splits}
        # Heavy, and noisy on standard error: only once all input is known to be good.
        with quiet_libraries():
            model = runs.load_keras(run / runs.MODEL)
            _check_heads(run, model, manifest)
        manifest = of_logits(manifest)
        trials = {split: _trials(sets[split], manifest, allowed) for split in splits}
        for gain_db, windows in calibrations.items():
            with quiet_libraries():
                contents = _converted(run, model, windows, manifest)
            calibrated = {"calibration_windows": len(windows), "calibration_gain_db": gain_db}
            figures = _figures(out, model, contents, trials, manifest)
            # Another calibration may keep what this one does not.
            if not any(limits.calls_for_other_calibration(found, allowed) for found in figures.values()):
                break
        for split in splits:
            limits.check(figures[split], split, allowed)
        if options.layers:
            from .layers_report import write_layers

            mels = trials["validation"][0].mels
            shown = mels[:: max(1, len(mels) // _REPORT_WINDOWS)]
            write_layers(contents[FLOAT], contents[INT8], shown, manifest.name, folder)

        kept = {"limits": plain(allowed), "limits_by_hand": by_hand}
        sealed = replace(manifest, metrics=_metrics(figures) | kept, versions=runs.versions())
        report: dict[str, Any] = {
            "model": manifest.name,
            **kept,
            **calibrated,
            "onnx_opset": onnx_model.OPSET,
            "parameters": model.count_params(),
            "multiply_adds": sum(
                operator.multiply_adds for operator in tflite_graph.operators(contents[INT8])
            ),
            "files": {name: _written(folder / name, content, sealed) for name, content in contents.items()},
            "parity": figures,
        }
        atomic.write_text(folder / REPORT, json_text(report, indent=1) + "\n")
        atomic.write_text(folder / FIGURES, card.figures(report))
    return report


Trials = tuple[parity.Trial, parity.SoundTrial]
"""Of a split: for the networks alone, and for the device's whole path."""


def _trials(sets: list[EvaluationSet], manifest: Manifest, allowed: ExportLimits) -> Trials:
    trial = parity.of_windows(sets, manifest)
    return trial, parity.of_sound(sets, trial, manifest, allowed.windows)


def _figures(
    out: Path, model: keras.Model, contents: dict[str, bytes], trials: dict[str, Trials], manifest: Manifest
) -> dict[str, dict[str, Any]]:
    """By split, how far files are from the model (`parity.measure`)."""
    engines = {name: load_engine(ModelFile(out / name, c, manifest)) for name, c in contents.items()}
    return {
        split: parity.measure(*both, manifest, keras_predictor(model), engines)
        for split, both in trials.items()
    }


def _converted(
    run: Path, model: keras.Model, windows: NDArray[np.float32], manifest: Manifest
) -> dict[str, bytes]:
    try:
        return converted(model, windows, manifest.labels)
    except InputError as error:
        raise InputError(f"{run}: {error}") from error


def _written(path: Path, content: bytes, manifest: Manifest) -> dict[str, Any]:
    file = model_file.write(path, content, manifest)
    kinds = onnx_model.operators(content) if path.suffix == ".onnx" else tflite_graph.kinds(content)
    return {"bytes": path.stat().st_size, "hash": file.manifest.hash, "operators": kinds}


def _metrics(figures: dict[str, Any]) -> dict[str, Any]:
    """What the manifest tells of accuracies, by split."""
    return {
        split: {kind: found["files"][name]["numbers"]["accuracy"] for kind, name in _SHORT.items()}
        for split, found in figures.items()
    }


def _check_heads(run: Path, model: keras.Model, manifest: Manifest) -> None:
    """Raises InputError where the model's heads are not those of the run's manifest."""
    found = model.output if isinstance(model.output, dict) else {}
    sizes = {head: tensor.shape[-1] for head, tensor in found.items()}
    wanted = {head: len(labels) for head, labels in manifest.labels.items()}
    if sizes != wanted:
        raise InputError(
            f"{run}: the labels do not match the heads: {runs.MODEL} has {sizes}, "
            f"{runs.MANIFEST} has {wanted}; train again"
        )


def _sets(folders: Folders, manifest: Manifest, folds: str, split: str) -> list[EvaluationSet]:
    """Words and scenes of a split, alone and mixed."""
    keywords, front_end = manifest.trained_keywords, manifest.front_end
    corpus = load_corpus(folders, keywords, front_end.sample_rate_hz, split, folds=folds)
    data = material(corpus, front_end.clip_samples)
    mixed = backgrounds_of(corpus)
    seed = manifest.recipe["seed"]
    found = evaluation_sets(data, mixed, [_PARITY_SNR_DB], front_end.clip_samples, seed)
    asked = [set_ for set_ in found if windows_of(set_, manifest.labels).items]
    if not asked:
        raise InputError(
            f"the {split} split has no clips for the heads of the model; give the data of its training"
        )
    return asked
