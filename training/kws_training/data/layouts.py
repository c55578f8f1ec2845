"""Folders of recordings in their published layouts, as lists of labelled clips with their splits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kws_device import InputError
from kws_device.audio_files import SUFFIXES

from .splits import BY_FOLDS, BY_LISTS, BY_RANK, WORDS_ORDER, split_by_rank
from .tables import file_of, read_table, read_text

BACKGROUND = "_background_noise_"

FOLDS = {
    "documented": {"train": (1, 2, 3, 4, 7, 8, 9, 10), "validation": (5,), "test": (6,)},
    "as-run": {"train": (1, 2, 3, 6, 7, 8, 9), "validation": (4,), "test": (5,)},
}
"""Folds of UrbanSound8K by split: the study's text, and its code, which took list positions for folds."""

PUBLISHED = {
    "speech-commands": "Speech Commands (P. Warden, 2018); CC BY 4.0",
    "esc50": "ESC-50 (K. J. Piczak, 2015); ESC-10: CC BY 3.0 and CC0, other classes: CC BY-NC 3.0",
    "urbansound8k": "UrbanSound8K (J. Salamon et al., 2014); CC BY-NC 3.0",
}
"""Dataset; licence: by layout, where the layout tells."""


@dataclass(frozen=True)
class Clip:
    """One labelled recording."""

    path: Path
    label: str
    """The folder or class name."""
    split: str | None
    """train, validation or test; None where the dataset does not say."""
    source: str
    """Who or what was recorded: speaker hash, Freesound id, the folder below the word, or the name up to
    the first `_`."""
    folder: Path = Path()
    """The dataset's."""

    @property
    def name(self) -> str:
        """The path below the dataset's folder, with `/`: it tells every clip of a dataset apart."""
        return _unicode(self.path.relative_to(self.folder).as_posix())


@dataclass(frozen=True)
class Dataset:
    """A folder of recordings that was recognised."""

    folder: Path
    layout: str
    """speech-commands, urbansound8k, esc50 or folders."""
    clips: tuple[Clip, ...]
    background: tuple[Path, ...]
    """Long recordings of background noise, which belong to every split by position."""

    def split(self, name: str) -> list[Clip]:
        """The clips of a split, or every clip for `all`.

        Raises:
            InputError: the dataset has no such split.
        """
        clips = [clip for clip in self.clips if name == "all" or clip.split == name]
        if not clips:
            raise InputError(
                f"{self.folder}: no clip is in the {name} split; "
                + (
                    "without validation_list.txt and testing_list.txt only --split all works"
                    if self.layout == "speech-commands"
                    else "of plain folders three speakers fill every split; record more speakers"
                )
            )
        return clips

    @property
    def split_by(self) -> str:
        """Which rule splits it, as reports name it."""
        return {"speech-commands": BY_LISTS, "folders": BY_RANK}.get(self.layout, BY_FOLDS)

    @property
    def labels(self) -> list[str]:
        """All labels, sorted."""
        return sorted({clip.label for clip in self.clips})


def audio_below(folder: Path) -> list[Path]:
    """Every sound file below a folder, sorted; hidden files are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def read_dataset(folder: Path, folds: str = "documented") -> Dataset:
    """Recognise a folder's layout and list its clips.

    Args:
        folder: where the recordings lie.
        folds: which of FOLDS an UrbanSound8K is split by.

    Raises:
        InputError: no such folder, no audio in it, or lists and tables that do not fit it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name one with recordings")
    try:
        dataset = _recognised(folder, folds)
    except OSError as error:
        place = error.filename or folder
        raise InputError(f"{place}: cannot be read ({error.strerror}); name a folder you may read") from error
    if not dataset.clips:
        raise InputError(
            f"{folder}: no audio found; expected Speech Commands, ESC-50, UrbanSound8K, "
            f"or one folder of {', '.join(SUFFIXES)} files per word"
        )
    return dataset


def _recognised(folder: Path, folds: str) -> Dataset:
    if (folder / "meta" / "esc50.csv").is_file():
        return _esc50(folder)
    if (folder / "metadata" / "UrbanSound8K.csv").is_file():
        return _urbansound8k(folder, folds)
    return _speech_commands(folder) if _is_speech_commands(folder) else _folders(folder)


def _unicode(name: str) -> str:
    """A file's name as reports can hold it: bytes that are no UTF-8 become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _word_folders(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and path.name != BACKGROUND and not path.name.startswith(".")
    )


def _is_speech_commands(folder: Path) -> bool:
    lists = ("validation_list.txt", "testing_list.txt")
    return any((folder / name).is_file() for name in lists) or any(
        "_nohash_" in path.name for word in _word_folders(folder) for path in word.iterdir()
    )


def _speech_commands(folder: Path) -> Dataset:
    listed: dict[str, str] = {}
    for name, split in (("validation_list.txt", "validation"), ("testing_list.txt", "test")):
        path = folder / name
        if path.is_file():
            listed |= dict.fromkeys(read_text(path).split(), split)
    otherwise = "train" if listed else None
    clips = []
    for word in _word_folders(folder):
        for path in audio_below(word):
            relative = path.relative_to(folder).as_posix()
            clips.append(
                Clip(
                    path,
                    _unicode(word.name),
                    listed.pop(relative, otherwise),
                    _unicode(path.name.split("_nohash_")[0]),
                    folder,
                )
            )
    if listed:
        name, split = next(iter(listed.items()))
        raise InputError(
            f"{folder}: {len(listed)} clips of its lists are missing, {name} ({split}) for one; "
            "unpack the dataset again"
        )
    return Dataset(folder, "speech-commands", tuple(clips), tuple(audio_below(folder / BACKGROUND)))


def _esc50(folder: Path) -> Dataset:
    """Test: fold 5, or 4 where there is no 5; validation: every fifth source clip of the others."""
    table = folder / "meta" / "esc50.csv"
    rows = read_table(table, ("filename", "fold", "category", "src_file"))
    for row in rows:
        if not re.fullmatch(r"[0-9]{1,18}", row["src_file"]):
            raise InputError(
                f"{table}: src_file {row['src_file'][:40]!r} is no number; unpack the dataset again"
            )
    test_fold = "5" if any(row["fold"] == "5" for row in rows) else "4"
    # Ordered by class, so that each fifth source takes its share of every class.
    sources = sorted(
        {(row["category"], row["src_file"]) for row in rows if row["fold"] != test_fold},
        key=lambda pair: (pair[0], int(pair[1])),
    )
    validation = {source for _, source in sources[::5]}
    clips = []
    for row in rows:
        split = (
            "test" if row["fold"] == test_fold else "validation" if row["src_file"] in validation else "train"
        )
        path = file_of(folder / "audio", row["filename"], table=table)
        clips.append(Clip(path, row["category"], split, row["src_file"], folder))
    return Dataset(folder, "esc50", tuple(clips), ())


def _urbansound8k(folder: Path, folds: str) -> Dataset:
    """Clips of a fold that no split has are left out."""
    splits = {str(fold): split for split, numbers in FOLDS[folds].items() for fold in numbers}
    table = folder / "metadata" / "UrbanSound8K.csv"
    clips = []
    for row in read_table(table, ("slice_file_name", "fsID", "fold", "class")):
        path = file_of(folder / "audio", f"fold{row['fold']}", row["slice_file_name"], table=table)
        if row["fold"] in splits:
            clips.append(Clip(path, row["class"], splits[row["fold"]], row["fsID"], folder))
    return Dataset(folder, "urbansound8k", tuple(clips), ())


def _folders(folder: Path) -> Dataset:
    """One folder per word; all takes of a speaker share a split, by rank of the speakers."""
    found = [(path, word) for word in _word_folders(folder) for path in audio_below(word)]
    speakers = [_speaker(path, word) for path, word in found]
    split = split_by_rank(speakers, WORDS_ORDER)
    clips = [
        Clip(path, _unicode(word.name), split[speaker], speaker, folder)
        for (path, word), speaker in zip(found, speakers, strict=True)
    ]
    return Dataset(folder, "folders", tuple(clips), tuple(audio_below(folder / BACKGROUND)))


def _speaker(path: Path, word: Path) -> str:
    """The folder below the word's where there is one, else the file's name up to the first `_`."""
    *folders, _ = path.relative_to(word).parts
    return _unicode(folders[0] if folders else path.stem.split("_")[0])
