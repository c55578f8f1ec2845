"""Accuracy on clean and on changed test sets, through the device's own front end and engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.schema import json_text
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD, Manifest
from kws_training.data.corpus import Folders, split_rules
from kws_training.evaluation.eval_sets import EvaluationSet
from kws_training.evaluation.scoring import Judgement, judge_set

from ..playback.played_sets import played
from ..playback.room import Room
from .acceptance import Accepted, Reports, by_listening, by_window
from .candidates import Candidate
from .clips import chunks, windows
from .conditions import Condition, conditions
from .metrics import Changed, Count
from .mistakes import Mistake, Worst, fifty
from .predictions import Predictions, predictions
from .verdict import Verdict, verdict

REPORT = "robustness.json"
_CHUNK = 256
"""Windows in memory at a time."""


@dataclass(frozen=True)
class Plan:
    """What models are judged on."""

    folders: Folders
    """Speech, scenes and noise; without speech only scenes alone, without the others fewer sets."""
    split: str
    """validation, test or all."""
    snrs_db: Sequence[float]
    """Of the waveform mixtures."""
    limit: int | None = None
    """A seeded draw of so many words and as many scene windows, balanced by class."""
    room: Room | None = None
    """Where everything is played and recorded again; None: straight from the files."""


@dataclass(frozen=True)
class Result:
    """A judged model."""

    report: dict[str, Any]
    """The content of robustness.json."""
    manifest: Manifest
    verdict: Verdict
    confusions: dict[tuple[str, str], NDArray[np.int64]]
    """By set and head: rows are what was there, columns what was heard, in the order of the labels."""
    mistakes: list[Mistake]
    """The fifty surest."""


def robustness(judged: Candidate, plan: Plan, out: Path, streams: Sequence[Mapping[str, Any]] = ()) -> Result:
    """Judge a model on speech and scenes alone, mixed, and as microphones and rooms change them.

    Args:
        judged: the model.
        plan: what it is judged on.
        out: gets robustness.json and predictions.csv.
        streams: contents of stream.json, which the verdict needs; those of other models are passed over.

    Raises:
        InputError: a folder that cannot be used, or labels that are not the model's.
    """
    if plan.folders.speech is None and plan.folders.scenes is None:
        raise InputError("nothing to measure; give --speech, --scenes or both")
    manifest = judged.manifest
    found = windows(plan.folders, manifest, plan.split, judged.folds, plan.limit)
    asked = conditions(found, judged, plan.snrs_db)
    if plan.room is not None:
        # Spectrograms that are mixed behind the front end are no sound to be played.
        asked = [condition for condition in asked if condition.entry["kind"] != "mel"]
    run = _Run(judged, asked, plan.room)
    alone = [condition for condition in asked if condition.scenes is not None]
    total = len(found.words) * len(asked) + len(found.scenes) * len(alone)
    with (
        predictions(out, [condition.name for condition in asked], list(manifest.labels)) as written,
        tqdm(total=total, desc=manifest.name, unit="window", leave=False) as bar,
    ):
        for first, items in chunks(found.words, _CHUNK):
            run.judge(((c, c.words(items, first)) for c in asked), written, bar)
        for first, items in chunks(found.scenes, _CHUNK):
            run.judge(((c, c.scenes(items, first)) for c in alone if c.scenes), written, bar)
        if not run.counts:
            raise InputError(
                "these folders have no clips for the heads of the model; give its words or scenes"
            )
    report: dict[str, Any] = {
        "model": manifest.name,
        "hash": manifest.hash,
        "split": plan.split,
        "split_by": {} if plan.split == "all" else split_rules(plan.folders),
        "limit": plan.limit,
        "played": plan.room.name if plan.room is not None else None,
        "scene_windows_left_out": found.left_out,
        "sets": run.figures(),
    }
    confusions = {key: count.confusion(manifest.labels[key[1]]) for key, count in run.counts.items()}
    clean = {head: matrix for (name, head), matrix in confusions.items() if name == "clean"}
    opinion = verdict(report, manifest, clean, judged.promised, streams)
    report["verdict"] = {"word": opinion.word, "reasons": list(opinion.reasons)}
    atomic.write_text(out / REPORT, json_text(report, indent=1) + "\n")
    surest = fifty(*(run.worst[head].surest() for head in (KEYWORD_HEAD, SCENE_HEAD)))
    return Result(report, manifest, opinion, confusions, surest)


class _Run:
    """What is known so far."""

    def __init__(self, model: Candidate, asked: Sequence[Condition], room: Room | None) -> None:
        self._model, self._asked, self._room = model, asked, room
        self.counts: dict[tuple[str, str], Count] = {}
        self._accepted: dict[str, Accepted] = {}
        self.worst = {head: Worst(head) for head in (KEYWORD_HEAD, SCENE_HEAD)}
        self._changed: dict[str, Changed] = {}

    def judge(
        self,
        sets: Iterable[tuple[Condition, EvaluationSet]],
        written: Predictions,
        bar: tqdm[Any],
    ) -> None:
        """The same windows under some conditions, the clean one first; one set is in memory at a time."""
        model = self._model
        clean: Judgement | None = None
        for condition, set_ in sets:
            if self._room is not None:
                set_ = played(set_, self._room, model.manifest.front_end.sample_rate_hz)
            judged = judge_set(set_, model.manifest, model.predict, model.scene_normalisation, bar)
            for head, judgement in judged.items():
                self.counts.setdefault((condition.name, head), Count()).add(judgement)
                written.add(condition.name, judgement)
                # A mixture of spectrograms is no sound that anybody could listen to.
                if set_.kind != "mel":
                    self.worst[head].add(condition.name, judgement)
            words = judged.get(KEYWORD_HEAD)
            if words is not None and (reports := self._reports(set_.kind)):
                accepted = Accepted(reports, model.manifest.trained_keywords)
                self._accepted.setdefault(condition.name, accepted).add(words)
            clean = words if set_.kind == "clean" else clean
            if set_.kind == "shift" and words is not None and clean is not None:
                self._changed.setdefault(condition.name, Changed()).add(clean, words)

    def _reports(self, kind: str) -> Reports | None:
        """How to tell what is reported; None where only sound could tell, and a set is none."""
        if self._model.spotter is None:
            return by_window(self._model.manifest)
        return None if kind == "mel" else by_listening(self._model.spotter)

    def figures(self) -> list[dict[str, Any]]:
        """The report's sets, in order."""
        found = []
        for condition in self._asked:
            entry: dict[str, Any] = {"set": condition.name, **condition.entry}
            if condition.name in self._changed:
                entry["answers_changed"] = self._changed[condition.name].share
            for head, labels in self._model.manifest.labels.items():
                if (condition.name, head) in self.counts:
                    entry[head] = self.counts[condition.name, head].figures(labels)
            if condition.name in self._accepted:
                entry[KEYWORD_HEAD]["at_thresholds"] = self._accepted[condition.name].figures()
            found.append(entry)
        return found
