"""Recordings in memory: one split of speech, scenes, continuous speech and noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import InputError, audio_files
from kws_device._support.untrusted_text import printable
from kws_device.audio_files import SUFFIXES
from kws_device.model.manifest import SILENCE, UNKNOWN
from kws_device.takes.find import find_words

from ..recipes.parts import Provenance
from .layouts import PUBLISHED, Clip, Dataset, audio_below, read_dataset
from .mined import Stretch, read_mined, read_summary
from .splits import background_rule, background_splits

_HARD_BEFORE_S = 1.8
_HARD_BEHIND_S = 0.3
"""Of mined sound, so much around a decision holds every window that may have made it."""
_LONGEST_CLIP_S = 1.5
"""Longer recordings of a word are takes, in which it must be found first."""
_AROUND_S = 0.1
"""Sound that is kept before and after a word that was found in a take."""
BACKGROUND_PARTS = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0), "all": (0.0, 1.0)}
"""Which part of each long background recording belongs to which split."""


@dataclass(frozen=True)
class Folders:
    """Where the data lies; what is absent is None. Training needs speech; scenes add a second head."""

    speech: Path | None = None
    scenes: Path | None = None
    negatives: Path | None = None
    noise: Path | None = None
    voices: Path | None = None
    hard: tuple[Path, ...] = ()
    """Folders of `kws-data mine`."""


FOLDER_KINDS = tuple(field.name for field in fields(Folders) if field.name != "hard")
"""What folders are given for: the names of the options that name them."""


@dataclass(frozen=True)
class Recording:
    """A labelled recording in memory."""

    samples: NDArray[np.float32]
    """Mono, shape (n,), full scale is 1.0."""
    label: str
    """The head's label, not the folder's: other words are `_unknown_`."""
    clip: Clip


@dataclass(frozen=True)
class Corpus:
    """What one split offers."""

    speech: list[Recording]
    """One word each, or `_silence_`."""
    scenes: list[Recording]
    """One scene each."""
    noise: list[NDArray[np.float32]]
    """Background without a scene label."""
    negatives: list[NDArray[np.float32]]
    """Continuous speech; in training only."""
    voices: Sequence[Recording] = ()
    """One word each, said by synthetic voices; in training only."""
    hard: Sequence[Stretch] = ()
    """What a model nearly took for its words; in training only."""


def decode(
    paths: Sequence[Path],
    sample_rate_hz: int,
    what: str,
    read: Callable[[Path, int], NDArray[np.float32]] = audio_files.read,
) -> list[NDArray[np.float32]]:
    """Read many files with a progress bar, in their order. Raises InputError for the first bad one."""
    with ThreadPoolExecutor() as pool:
        results = pool.map(lambda path: read(path, sample_rate_hz), paths)
        return list(tqdm(results, total=len(paths), desc=what, unit="file", leave=False))


def read_word(path: Path, sample_rate_hz: int) -> NDArray[np.float32]:
    """A recording of one word; of a take of several seconds the word in it, with a moment around it.

    Args:
        path: a sound file.
        sample_rate_hz: of the result.

    Returns:
        mono, shape (n,), full scale is 1.0. A long take in which nothing stands out is given whole.

    Raises:
        InputError: a file that cannot be read.
    """
    samples = audio_files.read(path, sample_rate_hz)
    if len(samples) <= _LONGEST_CLIP_S * sample_rate_hz:
        return samples
    [found] = find_words([samples], sample_rate_hz)
    if found is None:
        return samples
    around = round(_AROUND_S * sample_rate_hz)
    return samples[max(0, found.start - around) : found.end + around]


def keyword_labels(keywords: Sequence[str]) -> tuple[str, ...]:
    """Labels of the keyword head, in order."""
    return (*keywords, UNKNOWN, SILENCE)


def head_label(word: str, keywords: Sequence[str]) -> str:
    """The keyword head's label for a folder's name."""
    return word if word in keywords or word == SILENCE else UNKNOWN


def read_recordings(
    clips: Sequence[Clip],
    labels: Sequence[str],
    sample_rate_hz: int,
    what: str,
    read: Callable[[Path, int], NDArray[np.float32]] = audio_files.read,
) -> list[Recording]:
    """Decode clips and give each its head's label.

    Args:
        clips: of a dataset.
        labels: theirs.
        sample_rate_hz: of the recordings.
        what: they are, for the progress bar.
        read: `read_word` for clips of one word.

    Raises:
        InputError: a clip that cannot be read.
    """
    audio = decode([clip.path for clip in clips], sample_rate_hz, what, read)
    return [Recording(*parts) for parts in zip(audio, labels, clips, strict=True)]


def read_words(
    clips: Sequence[Clip], keywords: Sequence[str], sample_rate_hz: int, what: str
) -> list[Recording]:
    """Decode clips of one word each (`read_word`) and give them the keyword head's labels."""
    labels = [head_label(clip.label, keywords) for clip in clips]
    return read_recordings(clips, labels, sample_rate_hz, what, read_word)


def background_part(dataset: Dataset, split: str, sample_rate_hz: int) -> list[NDArray[np.float32]]:
    """The part of each long background recording that belongs to a split."""
    first, last = BACKGROUND_PARTS[split]
    recordings = decode(dataset.background, sample_rate_hz, "background")
    return [samples[int(first * len(samples)) : int(last * len(samples))] for samples in recordings]


def check_keywords(speech: Path, keywords: Sequence[str]) -> None:
    """Raises InputError for a keyword to be trained that no clip of the training split says."""
    labels = {clip.label for clip in read_dataset(speech).split("train")}
    if absent := sorted(set(keywords) - labels):
        known = ", ".join(sorted(labels)[:20])
        raise InputError(f"{speech}: no recordings of {', '.join(absent)} to train on; there are {known}")


def load_corpus(
    folders: Folders,
    keywords: Sequence[str],
    sample_rate_hz: int,
    split: str,
    at_most: int | None = None,
    folds: str = "documented",
) -> Corpus:
    """One split of everything, in memory as float32 (about 64 kB per second of sound).

    Of negatives and noise their training part (`background_paths`) trains; validation hears scenes and
    its part of the dataset's own background recordings, and without scenes that of the noise folder. With
    `at_most`, an even cross-section of about so many clips of each kind is read; `folds` is as in
    `read_dataset`.

    Raises:
        InputError: a folder or a split without audio, or nothing for training in a folder of background.
    """
    words: Sequence[Clip] = ()
    sounds: Sequence[Clip] = ()
    noise: list[NDArray[np.float32]] = []
    negatives: list[NDArray[np.float32]] = []
    said: Sequence[Clip] = ()
    hard: Sequence[Stretch] = ()
    if folders.speech is not None:
        speech = read_dataset(folders.speech)
        words = _section(speech.split(split), at_most)
        noise = background_part(speech, split, sample_rate_hz)
    if folders.scenes is not None:
        sounds = _section(read_dataset(folders.scenes, folds).split(split), at_most)
    if split == "train":
        noise += decode(background_paths(folders.noise, split), sample_rate_hz, "noise")
        talk = background_paths(folders.negatives, split)
        negatives = decode(_section(talk, at_most), sample_rate_hz, "negatives")
        if folders.voices is not None:
            said = _section(read_dataset(folders.voices).clips, at_most)
        hard = read_mined(folders.hard, keywords, sample_rate_hz, _HARD_BEFORE_S, _HARD_BEHIND_S)
    elif folders.scenes is None:
        noise += decode(_held_out(folders.noise, split), sample_rate_hz, "noise")
    return Corpus(
        read_words(words, keywords, sample_rate_hz, "speech"),
        read_recordings(sounds, [c.label for c in sounds], sample_rate_hz, "scenes"),
        noise,
        negatives,
        read_words(said, keywords, sample_rate_hz, "voices"),
        _section(hard, at_most),
    )


def _held_out(folder: Path | None, split: str) -> list[Path]:
    """The recordings of a split, of which there may be none."""
    paths = paths_below(folder)
    by_path = background_splits(paths, folder) if folder is not None else {}
    return [path for path in paths if split in ("all", by_path[path])]


T = TypeVar("T")


def _section(items: Sequence[T], at_most: int | None) -> Sequence[T]:
    return items if at_most is None else items[:: max(1, len(items) // at_most)]


def read_folder(folder: Path | None, sample_rate_hz: int, what: str) -> list[NDArray[np.float32]]:
    """Every recording below a folder without labels; none without a folder.

    Raises:
        InputError: no such folder, or no audio in it.
    """
    return decode(paths_below(folder), sample_rate_hz, what)


def paths_below(folder: Path | None) -> list[Path]:
    """Every sound file below a folder without labels, sorted; none without a folder.

    Raises:
        InputError: no such folder, or no audio in it.
    """
    if folder is None:
        return []
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name one with recordings")
    if not (paths := audio_below(folder)):
        raise InputError(f"{folder}: no audio found; expected {', '.join(SUFFIXES)} files")
    return paths


def background_paths(folder: Path | None, split: str) -> list[Path]:
    """The recordings of a folder of talk, music or noise that belong to a split (`background_splits`).

    Args:
        folder: None: no recordings.
        split: train, validation, test, or all.

    Raises:
        InputError: no such folder, no audio in it, or none of it in the split.
    """
    paths = paths_below(folder)
    if folder is None or split == "all":
        return paths
    by_path = background_splits(paths, folder)
    if not (chosen := [path for path in paths if by_path[path] == split]):
        raise InputError(
            f"{folder}: none of its {len(paths)} recordings is in the {split} split (split by "
            f"{background_rule(paths, folder)}); put some into a folder {split}, or name another folder"
        )
    return chosen


def split_rules(folders: Folders) -> dict[str, str]:
    """Which rule splits each folder, by kind, for reports; folders that are not given have none.

    Raises:
        InputError: no such folder, or no audio in it.
    """
    rules = {
        kind: read_dataset(folder).split_by
        for kind, folder in (("speech", folders.speech), ("scenes", folders.scenes))
        if folder is not None
    }
    for kind, folder in (("negatives", folders.negatives), ("noise", folders.noise)):
        if folder is not None:
            rules[kind] = background_rule(paths_below(folder), folder)
    return rules


def provenance(folders: Folders, told: Provenance) -> list[tuple[str, str]]:
    """Name and licence of each folder: what the recipe tells, else what its layout is known for."""
    found = []
    for kind in ("speech", "scenes", "negatives", "noise", "voices"):
        folder: Path | None = getattr(folders, kind)
        if folder is None:
            continue
        stated: str = getattr(told, kind)
        if not stated and kind in ("speech", "scenes"):
            stated = PUBLISHED.get(read_dataset(folder).layout, "")
        name, _, licence = (stated or f"folder {printable(folder.name)}; licence not stated").partition("; ")
        found.append((f"{kind}: {name}", licence))
    for mined in folders.hard:
        sound = ", ".join(map(str, read_summary(mined).get("sound", [])))
        found.append((f"hard: stretches of {sound}", "as the sound that they were mined from"))
    return found
