"""kws-data check: counts the clips of a folder and finds problems."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from kws_device import InputError, audio_files

from .layouts import Clip, Dataset
from .segments import SILENT_DBFS, from_db
from .splits import SPLITS

_RATE_HZ = 16_000
_SHORT_S = 1.0


@dataclass(frozen=True)
class Problem:
    """Something about a clip that a person should know."""

    kind: str
    """unreadable, short, silent or duplicate."""
    file: str
    """Below the dataset's folder."""
    detail: str
    """What exactly."""


def _look(clip: Clip, name: str) -> tuple[str, list[Problem]]:
    """The digest of a clip's file, and its problems."""
    try:
        samples, energy = 0, 0.0
        for block in audio_files.blocks(clip.path, _RATE_HZ):
            samples += len(block)
            energy += float(np.dot(block, block))
        digest = hashlib.sha256(clip.path.read_bytes()).hexdigest()
    except (InputError, OSError) as error:
        return "", [Problem("unreadable", name, str(error))]
    problems = []
    if samples < _SHORT_S * _RATE_HZ:
        problems.append(Problem("short", name, f"{samples / _RATE_HZ:.2f} s; it will be padded"))
    if energy < samples * from_db(SILENT_DBFS) or samples == 0:
        problems.append(Problem("silent", name, f"below {SILENT_DBFS:g} dBFS"))
    return digest, problems


def check(dataset: Dataset) -> dict[str, Any]:
    """Counts, problems and leaks of a dataset.

    Returns:
        {"layout", "split_by", "splits": {split: {label: clips}}, "problems": [{"kind", "file", "detail"}],
        "leaks": [{"source", "splits"}]}; clips whose dataset has no splits count under "all".
    """
    names = [clip.name for clip in dataset.clips]
    with ThreadPoolExecutor() as pool:
        looks = pool.map(_look, dataset.clips, names)
        looked = list(tqdm(looks, total=len(names), desc="checking", unit="clip", leave=False))
    problems = [problem for _, found in looked for problem in found]
    first: dict[str, str] = {}
    for name, (digest, _) in zip(names, looked, strict=True):
        if digest in first:
            problems.append(Problem("duplicate", name, f"same content as {first[digest]}"))
        elif digest:
            first[digest] = name
    return {
        "layout": dataset.layout,
        "split_by": dataset.split_by,
        "splits": counts(dataset),
        "problems": [vars(problem) for problem in problems],
        "leaks": leaks(dataset),
    }


def counts(dataset: Dataset) -> dict[str, dict[str, int]]:
    """Clips by split and label; those whose dataset has no splits count under `all`."""
    found = Counter((clip.split or "all", clip.label) for clip in dataset.clips)
    splits = [split for split in (*SPLITS, "all") if any(key[0] == split for key in found)]
    return {split: {label: n for (s, label), n in sorted(found.items()) if s == split} for split in splits}


def leaks(dataset: Dataset) -> list[dict[str, Any]]:
    """Sources (speakers, Freesound recordings) that are in more than one split."""
    splits: dict[str, set[str]] = defaultdict(set)
    for clip in dataset.clips:
        if clip.split is not None:
            splits[clip.source].add(clip.split)
    return [
        {"source": source, "splits": [split for split in SPLITS if split in found]}
        for source, found in sorted(splits.items())
        if len(found) > 1
    ]
