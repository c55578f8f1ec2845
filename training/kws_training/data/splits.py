"""Which recordings train, which validate and which test: one rule for words and for background sound."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

SPLITS = ("train", "validation", "test")

_BACKGROUND_ORDER = (
    "train",
    "test",
    "validation",
    "train",
    "train",
    "test",
    "train",
    "validation",
    "train",
    "test",
)
"""Of ten speakers five train, two validate and three test; the first three speakers fill all splits."""
WORDS_ORDER = ("train", "validation", "test", *["train"] * 7)
"""Of ten speakers of words eight train; the first three speakers fill all splits."""
_TRAIN_ORDER = ("train", "train", "train", "validation", "train")
"""Of a folder that is for training, every fifth speaker validates."""

BY_RANK, BY_NAME, BY_LISTS, BY_FOLDS = "rank", "name of folder", "lists", "folds"
"""The rules that reports name: this module's two, and those of published datasets."""

_NAMED = {"train": "train", "validation": "validation", "dev": "validation", "test": "test", "eval": "test"}
"""Folders whose name says what their recordings are for."""
_LIBRISPEECH = re.compile(r"(\d+)-\d+-\d+")
"""SPEAKER-CHAPTER-UTTERANCE, the names of LibriSpeech."""


def split_by_rank(sources: Iterable[str], order: Sequence[str]) -> dict[str, str]:
    """Give each source a split, by its place among all sources in the order of their SHA-1 hashes.

    By rank and not by the hash alone, so that a handful of sources already fills every split.

    Args:
        sources: speakers or recordings; repetitions count once.
        order: the splits that consecutive sources get, repeated as often as needed.

    Returns:
        the split by source.
    """
    ranked = sorted(set(sources), key=lambda source: (_sha1(source), source))
    return {source: order[rank % len(order)] for rank, source in enumerate(ranked)}


def background_splits(paths: Sequence[Path], root: Path) -> dict[Path, str]:
    """Give each recording of a folder of talk, music or noise a split; all of a speaker share one.

    A folder called `train`, `validation`, `dev`, `test` or `eval`, the innermost one down from `root`,
    `root` itself included, decides; of what is for training, every fifth speaker validates. Without such a
    folder, five speakers of ten train, two validate and three test.

    Args:
        paths: sound files below `root`.
        root: the folder that was named.

    Returns:
        train, validation or test by path.
    """
    named = {path: _named_split(path, root) for path in paths}
    found: dict[Path, str] = {}
    for said, order in ((None, _BACKGROUND_ORDER), ("train", _TRAIN_ORDER)):
        speakers = {path: speaker_of(path) for path in paths if named[path] == said}
        split = split_by_rank(speakers.values(), order)
        found |= {path: split[speaker] for path, speaker in speakers.items()}
    return {path: found.get(path) or str(named[path]) for path in paths}


def background_rule(paths: Iterable[Path], root: Path) -> str:
    """Which rule `background_splits` goes by for these recordings, as reports name it."""
    named = {_named_split(path, root) is not None for path in paths}
    if named == {True, False}:
        return f"{BY_NAME}, else {BY_RANK}"
    return BY_NAME if True in named else BY_RANK


def speaker_of(path: Path) -> str:
    """Who or what a recording of background sound is of, by its name.

    LibriSpeech's names begin with the speaker's number; otherwise it is the name up to the first `_`.
    """
    librispeech = _LIBRISPEECH.fullmatch(path.stem)
    return librispeech[1] if librispeech else path.stem.split("_")[0]


def _named_split(path: Path, root: Path) -> str | None:
    folders = (root.resolve().name, *path.relative_to(root).parts[:-1])
    return next((_NAMED[name] for name in reversed(folders) if name in _NAMED), None)


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
