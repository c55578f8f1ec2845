"""An export: convert, prove, write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kws_device import atomic, model_file
from kws_device.engine import load_engine
from kws_device.errors import InputError
from kws_device.manifest import Manifest
from kws_device.model_file import ModelFile
from kws_training import runs
from kws_training.data.corpus import Folders, load_corpus
from kws_training.evaluation.judging import engine_predictor, keras_predictor
from kws_training.evaluation.test_sets import EvaluationSet, evaluation_sets, material, scene_backgrounds
from kws_training.recipes import folds

from . import onnx_model, parity, tflite
from .calibration import calibration_windows
from .logits import of_logits, without_softmax

INT8, INT8_ONNX = "kws.tflite", "kws.onnx"
FLOAT, FLOAT_ONNX = "kws-float.tflite", "kws-float.onnx"
REPORT = "export.json"
_CALIBRATION_CLIPS = 1000
_PARITY_SNR_DB = 10.0


class ParityError(Exception):
    """The int8 model lost more than allowed; nothing was written."""


def export(run: Path, out: Path, max_loss: float, **given: Path | None) -> dict[str, Any]:
    """Convert a run, hold the files against the Keras model, and write them with their manifest.

    Args:
        run: folder of kws-train.
        out: folder for the files.
        max_loss: points of accuracy that int8 may lose on any validation set and head.
        given: data folders by kind, instead of those the run remembers.

    Returns:
        the content of export.json.

    Raises:
        InputError: no run, no data, or a folder that cannot be written.
        ParityError: int8 lost more than `max_loss`.
    """
    recipe, manifest = runs.read_run(run)
    folders = runs.recall_folders(run, **given)
    _check_writable(out)
    rate = recipe.front_end.sample_rate_hz
    sample = load_corpus(folders, recipe.keywords, rate, "train", _CALIBRATION_CLIPS, folds(recipe))
    sets = _validation_sets(folders, manifest, folds(recipe))
    # Heavy, and noisy on standard error: only once all input is known to be good.
    model = runs.load_keras(run / runs.MODEL)
    windows = calibration_windows(sample, recipe, manifest)
    bare, manifest = without_softmax(model), of_logits(manifest)
    contents = {FLOAT: tflite.float_model(bare), INT8: tflite.int8_model(bare, windows)}
    contents[FLOAT_ONNX] = onnx_model.float_model(bare, manifest)
    contents[INT8_ONNX] = onnx_model.int8_model(contents[INT8], manifest)
    if floating := tflite.float_tensors(contents[INT8]):
        raise InputError(f"{run}: int8 cannot carry {floating[0]}; change the model")

    answers = {"keras": parity.ask(sets, manifest, keras_predictor(model))}
    for name, content in contents.items():
        engine = load_engine(ModelFile(out / name, content, manifest))
        answers[name] = parity.ask(sets, manifest, engine_predictor(engine))
    loss, where, worst = max(
        (*parity.largest_loss(answers["keras"], answers[name]), name) for name in (INT8, INT8_ONNX)
    )
    if loss > max_loss:
        raise ParityError(
            f"{worst}: int8 is {loss:.2f} points below float ({where}), more than {max_loss:g}; "
            "nothing was written. Train longer, or allow it with --max-loss"
        )

    metrics = {
        "validation": {
            "float": parity.accuracies(answers["keras"]),
            "int8": parity.accuracies(answers[INT8]),
            "int8_onnx": parity.accuracies(answers[INT8_ONNX]),
        },
        "int8_max_loss_points": max_loss,
    }
    sealed = replace(manifest, metrics=metrics, versions=runs.versions())
    report: dict[str, Any] = {
        "largest_int8_loss_points": round(loss, 3),
        "max_loss_points": max_loss,
        "files": {},
    }
    with _all_or_nothing(out) as folder:
        for name, content in contents.items():
            file = model_file.write(folder / name, content, sealed)
            report["files"][name] = {
                "bytes": (folder / name).stat().st_size,
                "hash": file.manifest.hash,
                "operators": _operators(name, content),
                "accuracy": parity.accuracies(answers[name]),
                "against_keras": parity.agreement(answers["keras"], answers[name]),
            }
        report["int8_formats_agree"] = parity.agreement(answers[INT8], answers[INT8_ONNX])
        report["keras_accuracy"] = parity.accuracies(answers["keras"])
        report["calibration_windows"] = len(windows)
        atomic.write_text(folder / REPORT, json.dumps(report, indent=1) + "\n")
    return report


def _operators(name: str, content: bytes) -> list[str]:
    return onnx_model.operators(content) if name.endswith(".onnx") else tflite.operators(content)


def _validation_sets(folders: Folders, manifest: Manifest, folds: str) -> list[EvaluationSet]:
    keywords, front_end = manifest.keywords, manifest.front_end
    corpus = load_corpus(folders, keywords, front_end.sample_rate_hz, "validation", folds=folds)
    data = material(corpus, front_end.clip_samples)
    mixed = {"scenes": scene_backgrounds(corpus)}
    seed = manifest.recipe["seed"]
    return list(evaluation_sets(data, mixed, [_PARITY_SNR_DB], front_end.clip_samples, seed))


def _check_writable(out: Path) -> None:
    """Raises InputError now rather than after minutes of work."""
    with _all_or_nothing(out):
        pass


@contextmanager
def _all_or_nothing(out: Path) -> Iterator[Path]:
    """A temporary folder whose files move to `out` when the block ends well."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".export-", dir=out) as temporary:
            yield Path(temporary)
            for path in Path(temporary).iterdir():
                path.replace(out / path.name)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error
