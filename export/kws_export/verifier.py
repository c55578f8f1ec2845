"""Adds a trained verifier to the files of its first network, and compares it with the trained one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.errors import RequirementError
from kws_device._support.native_stderr import quiet_libraries
from kws_device._support.schema import plain
from kws_device.model import containers, model_file
from kws_device.model.engine import load_verifier
from kws_device.model.manifest import VERIFIER_OUTPUT, Manifest
from kws_device.model.model_file import ModelFile
from kws_training.evaluation.scoring import engine_predictor, keras_predictor
from kws_training.loop import runs
from kws_training.schemes.verifier import settings as verifier_settings
from kws_training.schemes.verifier.settings import Settings

from . import onnx_model, tflite_graph
from .conversion import converted
from .files import FLOAT, FLOAT_ONNX, INT8, INT8_ONNX, all_or_nothing, check_names
from .parity import agreement

REPORT = "verifier.json"

_CALIBRATION_SHARE = 0.5
"""Of the windows; the others tell whether the files say what the trained model says."""
_FLOAT_DIFFERENCE = 1e-3
_INT8_AGREEMENT = 0.95
_FORMATS_AGREEMENT = 0.98
_LEAST_WINDOWS = 20


def add_verifier(run: Path, models: Sequence[Path], out: Path) -> dict[str, Any]:
    """Write model files with a verifier beside their first network.

    Each file gets the verifier in its own format: 8-bit where the first network is 8-bit, else float.

    Args:
        run: folder of the verifier's training.
        models: files of one first network; they stay as they are. A verifier that they have is replaced.
        out: folder for the new files, which have the names of the old ones.

    Returns:
        the content of REPORT: sizes, hashes, and the agreement with the trained model.

    Raises:
        InputError: no run of a verifier, no model files, a verifier that does not fit them, or that cannot
            be converted; nothing is written then.
        RequirementError: a file says something else than the trained model; nothing is written then.
    """
    settings = verifier_settings.read(run)
    files = [model_file.read(path) for path in models]
    manifests = [_manifest(settings, file, run) for file in files]
    names = [_format(file) for file in files]
    check_names(models)
    windows = _windows(run, manifests[0])
    with all_or_nothing(out) as folder:
        # Heavy, and noisy on standard error: only once all input is known to be good.
        with quiet_libraries():
            model = runs.load_keras(run / verifier_settings.MODEL)
            calibration = windows[: round(_CALIBRATION_SHARE * len(windows))]
            contents = converted(model, calibration, {VERIFIER_OUTPUT: settings.verifier.labels})
        judged = windows[len(calibration) :]
        parity = _parity(contents, judged, files[0], manifests[0], keras_predictor(model))
        _check(parity)
        written = {}
        for path, file, manifest, name in zip(models, files, manifests, names, strict=True):
            joined = model_file.write(
                folder / path.name, file.model, manifest, contents[name], file.embedding
            )
            written[path.name] = {
                "bytes": (folder / path.name).stat().st_size,
                "verifier_bytes": len(contents[name]),
                "hash": joined.manifest.hash,
            }
        report: dict[str, Any] = {
            "run": run.name,
            "first": settings.first,
            "parameters": model.count_params(),
            "multiply_adds": sum(
                operator.multiply_adds for operator in tflite_graph.operators(contents[INT8])
            ),
            "files": written,
            "parity": parity,
        }
        atomic.write_text(folder / REPORT, json.dumps(plain(report), indent=1, allow_nan=False) + "\n")
    return report


def _manifest(settings: Settings, file: ModelFile, run: Path) -> Manifest:
    """Of the file with both networks; raises InputError where they do not fit."""
    try:
        return settings.manifest(file.manifest, softmax=True)
    except ValueError as error:
        raise InputError(f"{run}: the verifier does not fit {file.path} ({error}); train it again") from error


def _format(file: ModelFile) -> str:
    """The file of a conversion that holds the same format and precision as the first network."""
    if file.kind == containers.TFLITE:
        return FLOAT if tflite_graph.float_tensors(file.model) else INT8
    return INT8_ONNX if "QuantizeLinear" in onnx_model.operators(file.model) else FLOAT_ONNX


def _windows(run: Path, manifest: Manifest) -> NDArray[np.float32]:
    """Representative windows of the run; raises InputError where they are not what the verifier sees."""
    path = run / verifier_settings.WINDOWS
    try:
        with np.load(path, allow_pickle=False) as content:
            windows: NDArray[np.float32] = content["windows"].astype(np.float32)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: cannot be read ({error}); train the verifier again") from error
    config, front_end = manifest.verifier, manifest.front_end
    shape = (front_end.frames_in(config.clip_ms) if config else 0, front_end.mels)
    if windows.ndim != 3 or windows.shape[1:] != shape or len(windows) < _LEAST_WINDOWS:
        raise InputError(
            f"{path}: windows of shape {windows.shape}, not at least {_LEAST_WINDOWS} of {shape}; "
            "train the verifier again"
        )
    return windows


def _parity(
    contents: dict[str, bytes],
    windows: NDArray[np.float32],
    file: ModelFile,
    manifest: Manifest,
    trained: Any,
) -> dict[str, Any]:
    """How far each of the four models is from the trained one, and the int8 ones from each other."""
    expected = trained(windows)
    answers = {}
    for name, content in contents.items():
        engine = load_verifier(ModelFile(file.path, file.model, manifest, content))
        if engine is None:
            raise ValueError("a manifest with a verifier has one")
        answers[name] = engine_predictor(engine)(windows)
    return {
        "windows": len(windows),
        "against_keras": {
            name: agreement(expected, answer)[VERIFIER_OUTPUT] for name, answer in answers.items()
        },
        "int8_formats_agree": agreement(answers[INT8], answers[INT8_ONNX])[VERIFIER_OUTPUT],
    }


def _check(parity: dict[str, Any]) -> None:
    """Raises RequirementError where a model says something else than the trained one."""
    against = parity["against_keras"]
    for name in (FLOAT, FLOAT_ONNX):
        if (difference := against[name]["largest_difference"]) > _FLOAT_DIFFERENCE:
            raise RequirementError(
                f"verifier, {name}: a score differs by {difference:g}; the limit is {_FLOAT_DIFFERENCE:g}"
            )
    for name in (INT8, INT8_ONNX):
        if (same := against[name]["same_decision"]) < _INT8_AGREEMENT:
            raise RequirementError(
                f"verifier, {name}: decides like the trained model in {same:.2%}; "
                f"at least {_INT8_AGREEMENT:.0%} are needed"
            )
    if (same := parity["int8_formats_agree"]["same_decision"]) < _FORMATS_AGREEMENT:
        raise RequirementError(
            f"verifier: both int8 files decide the same in {same:.2%}; "
            f"at least {_FORMATS_AGREEMENT:.0%} are needed"
        )
