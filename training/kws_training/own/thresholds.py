"""Chooses thresholds for a rate of false accepts, from scores on held-out sound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kws_device import AudioFile, InputError, Spotter
from kws_device.model import model_file
from kws_device.model.engine import load_engine, load_verifier
from kws_device.model.manifest import Manifest
from kws_device.model.model_file import ModelFile

from ..mining.candidates import Listener, lowered

_NEAR = 0.1
"""Candidates are counted down to this score; the tail that is fitted lies far above it."""
_TAIL = 20
"""So many of the highest scores tell how fast they become rare; more where more events are allowed."""
_FEWEST = 3
_FARTHEST = 30.0
"""A tail of a few hours is not extended to a rate so many times below one event in all of them."""
_BETWEEN = (0.5, 0.999)
"""A silent hour does not make a score of a half trustworthy, and above the other no score counts."""
_SUREST = 1e-6


def check_rate(false_accepts_per_hour: float, hours: float) -> None:
    """Raises InputError for a rate that so many held-out hours say nothing about."""
    least = 1 / (_FARTHEST * false_accepts_per_hour)
    if hours < least:
        raise InputError(
            f"--false-accepts {false_accepts_per_hour:g}: {hours:.2f} hours of held-out sound are too "
            f"short; give at least {least:.1f} hours, and {3 / false_accepts_per_hour:.0f} to be sure"
        )


def false_scores(file: Path, recordings: Sequence[Path]) -> tuple[dict[str, list[float]], float]:
    """The scores with which a model would fire in sound that has none of its words.

    Args:
        file: of the model; with a verifier, its verified scores.
        recordings: to listen to.

    Returns:
        scores by keyword, each the highest of its candidate; and the hours that were heard.
    """
    model = model_file.read(file)
    found: dict[str, list[float]] = {word: [] for word in model.manifest.trained_keywords}
    heard_s = 0.0
    if model.manifest.verifier is None:
        listener = Listener(model, _NEAR)
        for path in recordings:
            heard = listener.hear(path)
            heard_s += heard.audio_s
            for candidate in heard.candidates:
                found[candidate.word].append(candidate.score)
        return found, heard_s / 3600
    spotter = _verified(model)
    for path in recordings:
        source = AudioFile(path, block_ms=1000.0)
        for event in spotter.listen(source):
            found[event.keyword].append(event.score)
        heard_s += source.audio_s
    return found, heard_s / 3600


def _verified(model: ModelFile) -> Spotter:
    manifest = replace(lowered(model.manifest, _NEAR), verifier=model.manifest.verifier)
    return Spotter(manifest, load_engine(model), verifier=load_verifier(model))


def thresholds(
    scores: Mapping[str, Sequence[float]], hours: float, false_accepts_per_hour: float
) -> dict[str, float]:
    """The threshold of each keyword, which all have the same part of the rate.

    The excess of log-odds over a high level is exponential, so its mean tells how many scores exceed any
    higher level, seen or not: peaks over threshold (Coles, "An Introduction to Statistical Modeling of
    Extreme Values", 2001, chapter 4, with shape 0).

    Args:
        scores: by keyword, of false candidates.
        hours: in which they were found.
        false_accepts_per_hour: of all keywords together.
    """
    allowed = false_accepts_per_hour / len(scores) * hours
    return {word: _threshold(found, allowed) for word, found in scores.items()}


def _threshold(scores: Sequence[float], allowed: float) -> float:
    if len(scores) < _FEWEST:
        # Next to nothing is taken for the word; what was stays below.
        return round(max([_BETWEEN[0], *scores]), 4)
    odds = np.sort([_log_odds(score) for score in scores])[::-1]
    tail = odds[: max(_TAIL, math.ceil(2 * allowed))]
    excess = max(float(tail.mean() - tail[-1]), 1e-3)
    level = tail[-1] + excess * math.log(max(len(tail) / allowed, 1.0))
    return round(min(max(1 / (1 + math.exp(-level)), _BETWEEN[0]), _BETWEEN[1]), 4)


def _log_odds(score: float) -> float:
    p = min(max(score, _SUREST), 1 - _SUREST)
    return math.log(p / (1 - p))


def with_thresholds(
    file: Path, out: Path, chosen: Mapping[str, float], false_accepts_per_hour: float | None
) -> Manifest:
    """Write a model file with other thresholds; returns its manifest. Raises InputError as `model_file`.

    `false_accepts_per_hour` is what they are chosen for; None: nothing.
    """
    model = model_file.read(file)
    decoder = replace(
        model.manifest.decoder,
        thresholds=dict(chosen),
        scene_thresholds={},
        false_accepts_per_hour=false_accepts_per_hour,
    )
    manifest = replace(model.manifest, decoder=decoder)
    return model_file.rewrite(out, model, manifest).manifest
