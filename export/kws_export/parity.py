"""Parity: compares an exported file with the trained model, on the same windows and on the same sound."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device.front_end import log_mel
from kws_device.model.engine import Engine
from kws_device.model.manifest import Manifest
from kws_device.model.recording_engine import RecordingEngine
from kws_device.spotter import Spotter
from kws_training.evaluation.eval_sets import EvaluationSet
from kws_training.evaluation.scoring import Predict, engine_predictor, validation_arrays, windows_of

from .files import INT8, INT8_ONNX
from .intervals import paired_interval

WAYS = ("numbers", "sound")
"""Given to a file: the numbers that the model is given, or the sound, of which a device makes them."""

Scores = dict[str, NDArray[np.float32]]
"""By head, shape (windows, labels)."""

_BATCH = 256
_NOT_ASKED = -1


@dataclass(frozen=True)
class Trial:
    """Real windows, and what the heads should say of them."""

    mels: NDArray[np.float32]
    """The network's input as training computes it, shape (windows, frames, mels)."""
    right: dict[str, NDArray[np.int64]]
    """By head: the label's index, shape (windows,); -1 where a head has no answer."""
    parts: dict[str, slice]
    """By the name of a set: its windows."""


@dataclass(frozen=True)
class SoundTrial(Trial):
    """The windows of all decisions on one long sound."""

    samples: NDArray[np.float32]
    """Shape (n,), full scale is 1.0."""


def of_windows(sets: Sequence[EvaluationSet], manifest: Manifest) -> Trial:
    """Every window of some sets, for the network alone."""
    mels, right, parts, first = [], [], {}, 0
    for set_ in sets:
        inputs, targets, weights = validation_arrays([set_], manifest)
        mels.append(inputs)
        right.append({head: _labels(targets[head], weights[head]) for head in targets})
        parts[set_.name] = slice(first, first + len(inputs))
        first += len(inputs)
    return Trial(
        np.concatenate(mels), {head: np.concatenate([r[head] for r in right]) for head in right[0]}, parts
    )


def _labels(targets: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.where(weights > 0, targets.argmax(axis=1), _NOT_ASKED)


def of_sound(sets: Sequence[EvaluationSet], asked: Trial, manifest: Manifest, at_most: int) -> SoundTrial:
    """Windows of the sets one after the other as one sound, for the device's whole path.

    The device decides several times in each; where it has heard the whole of a window, and nothing else,
    the heads have an answer.

    Args:
        sets: without overlays, which are no sound.
        asked: the trial of the same sets.
        manifest: how the device listens.
        at_most: an even cross-section of about so many windows is taken.
    """
    front_end = manifest.front_end
    step = round(front_end.sample_rate_hz * manifest.decoder.decision_ms / 1000)
    decisions = math.ceil(front_end.clip_samples / step)
    items = [item for set_ in sets for item in windows_of(set_, manifest.labels).items]
    every = max(1, len(items) // at_most)
    samples = np.zeros((len(items[::every]), decisions * step), dtype=np.float32)
    for window, item in zip(samples, items[::every], strict=True):
        window[-front_end.clip_samples :] = item.samples
    sound = samples.ravel()
    heard = np.concatenate([np.zeros(front_end.clip_samples, dtype=np.float32), sound])
    right = {head: np.full(len(sound) // step, _NOT_ASKED) for head in manifest.labels}
    for head, answers in asked.right.items():
        right[head][decisions - 1 :: decisions] = answers[::every]
    mels = np.empty((len(sound) // step, front_end.frames, front_end.mels), dtype=np.float32)
    for n in tqdm(range(len(mels)), desc="mels", leave=False):
        end = (n + 1) * step
        mels[n] = log_mel(heard[end : end + front_end.clip_samples], front_end)
    return SoundTrial(manifest.normalisation.apply(mels, out=mels), right, {}, sound)


def ask(trial: Trial, predict: Predict) -> Scores:
    """A model's scores for every window, given as mels."""
    starts = tqdm(range(0, len(trial.mels), _BATCH), desc="windows", leave=False)
    answers = [predict(trial.mels[start : start + _BATCH]) for start in starts]
    return {head: np.concatenate([answer[head] for answer in answers]) for head in answers[0]}


def hear(trial: SoundTrial, manifest: Manifest, engine: Engine) -> Scores:
    """The same from the sound on, through the device's rings, front end and engine; scores not smoothed."""
    recording = RecordingEngine(engine)
    spotter = Spotter(manifest, recording)
    decisions = tqdm(spotter.decisions_in(trial.samples), total=len(trial.mels), leave=False)
    answers = [recording.answer for _ in decisions]
    return {head: np.stack([answer[head] for answer in answers]) for head in answers[0]}


def accuracies(trial: Trial, scores: Scores) -> dict[str, dict[str, dict[str, Any]]]:
    """Accuracy and number of windows, of all of them and by set, then by head."""
    parts = {"all": slice(None), **trial.parts}
    return {
        name: {
            head: {"accuracy": round(float(correct.mean()), 5), "n": len(correct)}
            for head in scores
            if len(correct := _correct(trial.right[head][part], scores[head][part]))
        }
        for name, part in parts.items()
    }


def _correct(right: NDArray[np.int64], scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Of the windows that have an answer, shape (windows asked,)."""
    asked = right != _NOT_ASKED
    return np.asarray(scores[asked].argmax(axis=1) == right[asked])


def agreement(ours: Scores, theirs: Scores) -> dict[str, dict[str, Any]]:
    """By head: windows, the share decided alike, the largest and the mean difference of all scores."""
    result = {}
    for head in ours:
        difference = np.abs(ours[head] - theirs[head])
        same = ours[head].argmax(axis=1) == theirs[head].argmax(axis=1)
        result[head] = {
            "windows": len(same),
            "same_decision": round(float(same.mean()), 5),
            "largest_difference": round(float(difference.max()), 6),
            "mean_difference": round(float(difference.mean(dtype=np.float64)), 6),
        }
    return result


def lost(trial: Trial, ours: Scores, theirs: Scores) -> dict[str, dict[str, Any]]:
    """By head that was asked: what the other model loses on the same windows.

    Returns:
        {"windows": how many fewer it gets right, "points" of accuracy, "ci95": the interval of these points}.
    """
    result = {}
    for head in ours:
        right = _correct(trial.right[head], ours[head])
        other = _correct(trial.right[head], theirs[head])
        if not len(right):
            continue
        worse, better = int((right & ~other).sum()), int((other & ~right).sum())
        result[head] = {
            "windows": worse - better,
            "points": round(100 * (worse - better) / len(right), 3),
            "ci95": [round(100 * bound, 3) for bound in paired_interval(worse, better, len(right))],
        }
    return result


def measure(
    trial: Trial, sound: SoundTrial, manifest: Manifest, model: Predict, engines: dict[str, Engine]
) -> dict[str, Any]:
    """Hold files against the model that they were made from, on one split.

    Args:
        trial: for the networks alone.
        sound: for the device's whole path.
        manifest: of the files.
        model: the trained one, in floating point.
        engines: by the name of a file.

    Returns:
        {"windows", "sound_windows", "keras": {way: {"accuracy"}}, "files": {name: {way: {"accuracy",
        "against_keras", "lost"}}}, "int8_formats_agree": {way: ...}}; a way is `numbers`, where model
        and file are given the same mels, or `sound`, where the file is given what a device hears.
    """
    keras = {"numbers": ask(trial, model), "sound": ask(sound, model)}
    trials: dict[str, Trial] = {"numbers": trial, "sound": sound}
    answers = {
        name: {"numbers": ask(trial, engine_predictor(engine)), "sound": hear(sound, manifest, engine)}
        for name, engine in engines.items()
    }
    return {
        "windows": len(trial.mels),
        "sound_windows": len(sound.mels),
        "keras": {way: {"accuracy": accuracies(trials[way], keras[way])} for way in WAYS},
        "files": {
            name: {
                way: {
                    "accuracy": accuracies(trials[way], answer[way]),
                    "against_keras": agreement(keras[way], answer[way]),
                    "lost": lost(trials[way], keras[way], answer[way]),
                }
                for way in WAYS
            }
            for name, answer in answers.items()
        },
        "int8_formats_agree": {way: agreement(answers[INT8][way], answers[INT8_ONNX][way]) for way in WAYS},
    }
