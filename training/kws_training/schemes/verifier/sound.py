"""Reads the sound that a verifier is trained and validated on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError, audio_files
from kws_device.model.manifest import SILENCE

from ...data.corpus import (
    Recording,
    background_part,
    background_paths,
    check_keywords,
    decode,
    paths_below,
    read_words,
)
from ...data.layouts import read_dataset
from ...data.mined import Stretch, read_mined, read_summary
from ...signal.reverb import recorded_response

TRAIN, VALIDATION = "train", "validation"


@dataclass(frozen=True)
class SoundFolders:
    """Where the sound lies."""

    speech: Path
    """Words in folders of their names, split by speaker."""
    voices: tuple[Path, ...] = ()
    """Words of synthetic voices; in training only."""
    negatives: tuple[Path, ...] = ()
    """Roots of continuous speech and of other words; each is split by `background_splits`."""
    noise: tuple[Path, ...] = ()
    """Roots of background without speech; the same."""
    hard: tuple[Path, ...] = ()
    """Folders of `kws-data mine`, each of one split: train or validation."""
    rooms: Path | None = None
    """Impulse responses of real rooms; in training only."""


@dataclass(frozen=True)
class Sounds:
    """One split of everything, in memory."""

    words: Sequence[Recording]
    """Real recordings of one word each."""
    voices: Sequence[Recording]
    """Words of synthetic voices."""
    talk: Sequence[NDArray[np.float32]]
    """Continuous speech."""
    noise: Sequence[NDArray[np.float32]]
    """Background without speech."""
    hard: Sequence[Stretch]
    """What the first network fires on."""
    rooms: Sequence[NDArray[np.float32]] = ()
    """Impulse responses of real rooms."""


def mined_hours(folders: Sequence[Path], split: str) -> float:
    """Hours that the mined folders of a split were mined from."""
    return sum(float(read_summary(folder)["hours"]) for folder in of_split(folders, split))


def of_split(folders: Sequence[Path], split: str) -> list[Path]:
    """The mined folders of a split.

    Raises:
        InputError: a folder is of neither training nor validation.
    """
    chosen = []
    for folder in folders:
        mined = read_summary(folder).get("split")
        if mined not in (TRAIN, VALIDATION):
            raise InputError(
                f"{folder}: mined from the split {mined}; mine with --split {TRAIN} and --split {VALIDATION}"
            )
        if mined == split:
            chosen.append(folder)
    return chosen


def load_sounds(folders: SoundFolders, keywords: Sequence[str], sample_rate_hz: int, split: str) -> Sounds:
    """Read one split, with progress bars.

    Raises:
        InputError: a folder that is missing, empty, or has nothing in the split; keywords without recordings.
    """
    check_keywords(folders.speech, keywords)
    dataset = read_dataset(folders.speech)
    train = split == TRAIN

    def words(folder: Path, of: str | None, what: str) -> list[Recording]:
        read = read_dataset(folder)
        clips = [clip for clip in (read.split(of) if of else read.clips) if clip.label != SILENCE]
        return read_words(clips, keywords, sample_rate_hz, what)

    def background(roots: Sequence[Path], what: str) -> list[NDArray[np.float32]]:
        paths = [path for root in roots for path in background_paths(root, split)]
        return decode(paths, sample_rate_hz, what)

    rooms = paths_below(folders.rooms) if train else []
    return Sounds(
        words=words(folders.speech, split, "speech"),
        voices=[said for folder in folders.voices for said in words(folder, None, "voices")] if train else [],
        talk=background(folders.negatives, "negatives"),
        noise=[
            *background(folders.noise, "noise"),
            *background_part(dataset, split, sample_rate_hz),
        ],
        hard=read_mined(of_split(folders.hard, split), keywords, sample_rate_hz),
        rooms=[recorded_response(audio_files.read(path, sample_rate_hz), sample_rate_hz) for path in rooms],
    )
