"""The conditions of a robustness run, as test sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kws_training.data.segments import centred
from kws_training.evaluation.eval_sets import (
    EvaluationSet,
    Item,
    Material,
    clean_set,
    mel_set,
    overlaid,
    waveform_set,
)

from .candidates import Candidate
from .clips import SEED, Windows, read_all
from .corruptions import Change, changes

RATIOS = ((0.6, 0.4), (0.5, 0.5))
"""Of words and scenes in the mel sets: the study's."""
_CHANGES_STREAM = 2
_SCENES_STREAM = 3

Part = Callable[[Sequence[Item], int], EvaluationSet]
"""Items, and the number of the first of them, under the condition."""


@dataclass(frozen=True)
class Condition:
    """What words and scenes are put to."""

    name: str
    """What reports and `--require` call it."""
    entry: dict[str, Any]
    """What the report says of it: kind, background, ratio."""
    words: Part
    scenes: Part | None
    """Of scene windows alone; None where words are mixed with them."""


def conditions(windows: Windows, model: Candidate, snrs_db: Sequence[float]) -> list[Condition]:
    """Clean, the study's mixtures, true signal-to-noise ratios, then microphones, rooms and places.

    Args:
        windows: of the split; where it has no words or no backgrounds, there are no mixtures.
        model: whose front end and window count.
        snrs_db: of the waveform mixtures.
    """
    length = model.manifest.front_end.clip_samples
    own = model.scene_normalisation is not None
    found = [_clean(length, own)]
    if windows.words and windows.scenes:
        found += [_mel(windows, ratio, length) for ratio in RATIOS]
    for background in windows.backgrounds:
        found += [_waveform(windows, background, snr_db, length) for snr_db in snrs_db]
    rate = model.manifest.front_end.sample_rate_hz
    return found + [_changed(change, length, own) for change in changes(rate)]


def _clean(length: int, own: bool) -> Condition:
    def words(items: Sequence[Item], _: int) -> EvaluationSet:
        return clean_set(Material(items, [], 0), length)

    def scenes(items: Sequence[Item], _: int) -> EvaluationSet:
        return clean_set(Material([], items, 0), length, scenes_overlaid=own)

    return Condition("clean", {"kind": "clean"}, words, scenes)


def _mel(windows: Windows, ratio: tuple[float, float], length: int) -> Condition:
    scenes = read_all(windows.scenes)

    def words(items: Sequence[Item], first: int) -> EvaluationSet:
        return mel_set(Material(items, scenes, 0), ratio, length, SEED, first=first)

    entry = {"kind": "mel", "with": "scenes", "ratio": list(ratio)}
    return Condition(f"mel{100 * ratio[0]:g}:{100 * ratio[1]:g}", entry, words, None)


def _waveform(windows: Windows, background: str, snr_db: float, length: int) -> Condition:
    recordings = windows.backgrounds[background]

    def words(items: Sequence[Item], first: int) -> EvaluationSet:
        return waveform_set(items, recordings, background, snr_db, length, SEED, first)

    name = f"snr{snr_db:g}" + ("" if background == "scenes" else f"-{background}")
    return Condition(name, {"kind": "waveform", "with": background, "snr_db": snr_db}, words, None)


def _changed(change: Change, length: int, own: bool) -> Condition:
    def changed(items: Sequence[Item], first: int, stream: int) -> list[Item]:
        # Each window has its own generator, so that a subset keeps its rooms and places.
        generators = (np.random.default_rng([SEED, stream, n]) for n in range(first, first + len(items)))
        return [
            replace(item, samples=change.apply(centred(item.samples, length), rng))
            for item, rng in zip(items, generators, strict=True)
        ]

    def words(items: Sequence[Item], first: int) -> EvaluationSet:
        return EvaluationSet(change.kind, None, None, None, changed(items, first, _CHANGES_STREAM), [])

    def scenes(items: Sequence[Item], first: int) -> EvaluationSet:
        found = changed(items, first, _SCENES_STREAM)
        return EvaluationSet(change.kind, None, None, None, [], overlaid(found, length) if own else found)

    return Condition(change.name, {"kind": change.kind, **change.values}, words, scenes)
