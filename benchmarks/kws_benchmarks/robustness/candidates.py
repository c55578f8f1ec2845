"""Model files and runs of kws-train behind one interface: a function from mels to scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kws_device import InputError, Spotter
from kws_device.arming import always_armed
from kws_device.front_end import Normalisation
from kws_device.model import model_file
from kws_device.model.engine import load_engine
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD, Manifest
from kws_device.model.manifest_json import sealed
from kws_training.cli.schemes import read_run
from kws_training.data.layouts import FOLDS
from kws_training.evaluation.scoring import Predict, engine_predictor, keras_predictor
from kws_training.loop import runs


@dataclass(frozen=True)
class Candidate:
    """A model to be judged."""

    manifest: Manifest
    """Its hash is that of the file; of a run, over model.keras and the manifest that the run knows."""
    predict: Predict
    folds: str
    """By which UrbanSound8K was split when it was trained, see `layouts.FOLDS`."""
    promised: dict[str, float]
    """Accuracies on validation by head, as far as the model itself tells them."""
    scene_normalisation: Normalisation | None = None
    """Of scenes, where they have one of their own."""
    spotter: Spotter | None = None
    """The device's own path, where a verifier has the last word on what is reported."""


def candidate(model: str | Path | None) -> Candidate:
    """Load a model.

    Args:
        model: a model file, a shipped name, or the folder of a run; None: the shipped default.

    Raises:
        InputError: none of these, or one that cannot be loaded.
    """
    if model is not None and Path(model).is_dir():
        return _run(Path(model))
    file = model_file.read(model_file.find(model))
    data = file.manifest.recipe.get("data")
    told = data.get("folds") if isinstance(data, dict) else None
    folds = told if isinstance(told, str) and told in FOLDS else "documented"
    promised = _promised_by(file.manifest)
    # A word alone has none before it that would arm it.
    armed = replace(file, manifest=always_armed(file.manifest))
    spotter = None if armed.manifest.verifier is None else Spotter.of(armed)
    predict = engine_predictor(load_engine(armed))
    return Candidate(armed.manifest, predict, folds, promised, spotter=spotter)


def _promised_by(manifest: Manifest) -> dict[str, float]:
    try:
        clean = manifest.metrics["validation"]["int8"]["clean"]
        return {head: float(figure["accuracy"]) for head, figure in clean.items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}  # metrics are free in form; a model of another maker tells something else


def _run(folder: Path) -> Candidate:
    run = read_run(folder)
    path = folder / runs.MODEL
    model = runs.load_keras(path)
    own = run.scheme.overlay_normalisation(folder)
    manifest = sealed(path.read_bytes(), replace(run.manifest, hash=""))
    folds = run.scheme.folds(run.recipe)
    return Candidate(manifest, keras_predictor(model), folds, _promised(folder), own)


def _promised(folder: Path) -> dict[str, float]:
    if not runs.is_finished(folder):
        return {}
    metrics = json.loads((folder / runs.METRICS).read_text(encoding="utf-8"))
    clean: dict[str, Any] = next((entry for entry in metrics["validation"] if entry["kind"] == "clean"), {})
    return {head: clean[head]["accuracy"] for head in (KEYWORD_HEAD, SCENE_HEAD) if head in clean}


def names(models: Sequence[str]) -> list[str]:
    """What to call models side by side: their names, with as much of their paths as tells them apart.

    Raises:
        InputError: one is named twice.
    """
    parts = [_parts(Path(model)) if Path(model).exists() else (model,) for model in models]
    depths = [1] * len(parts)
    while True:
        called = ["-".join(part[-depth:]) for part, depth in zip(parts, depths, strict=True)]
        alike = [n for n, name in enumerate(called) if called.count(name) > 1]
        if not alike:
            return called
        if all(depths[n] >= len(parts[n]) for n in alike):
            raise InputError(f"--model {' '.join(models)}: one is named twice; name each once")
        for n in alike:
            depths[n] += 1


def _parts(path: Path) -> tuple[str, ...]:
    path = path.resolve()
    return (path if path.is_dir() else path.with_suffix("")).parts[1:]
