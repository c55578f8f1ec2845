"""The words for training: cut takes and synthetic voices, with their splits."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import soundfile
from tqdm import tqdm

from kws_device import InputError, audio_files
from kws_device.takes.find import cut, find_words

from ..data.layouts import audio_below
from ..data.splits import split_by_rank
from ..data.tts import SAMPLE_RATE_HZ

_ORDER = ("train", "validation", "train", "train", "train", "train")
"""Of six speakers one validates."""
_FEWEST = 5
"""Takes of a word in which it must be found: fewer agree by chance, and leave none to validate with."""
VALIDATION = "validation_list.txt"


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder that is there as a whole when the block ends well, and not before."""
    temporary = folder.with_name(f".{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)


def remove(folder: Path) -> None:
    """Remove a folder of our own, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)


def check_takes(speech: Path, keywords: Sequence[str]) -> None:
    """Raises InputError where a keyword has no folder with enough takes."""
    if not speech.is_dir():
        raise InputError(f"{speech}: no such folder; name one with a folder of takes for each word")
    for word in keywords:
        count = len(audio_below(speech / word)) if (speech / word).is_dir() else 0
        if count < _FEWEST:
            found = ", ".join(sorted(p.name for p in speech.iterdir() if p.is_dir())) or "none"
            raise InputError(
                f"{speech / word}: {count} takes, at least {_FEWEST} are needed (folders: {found}); "
                "record more, or leave out --speech for synthetic voices alone"
            )


def cut_takes(speech: Path, keywords: Sequence[str], dest: Path) -> None:
    """Find each word in its takes and write it, as long as it is, into the new folder `dest`/WORD.

    Raises:
        InputError: a take that cannot be read, or a word that is found in too few of its takes.
    """
    with new_folder(dest) as folder:
        for word in keywords:
            paths = audio_below(speech / word)
            takes = [audio_files.read(path, SAMPLE_RATE_HZ) for path in paths]
            found = find_words(takes, SAMPLE_RATE_HZ)
            count = sum(each is not None for each in found)
            if count < _FEWEST:
                raise InputError(
                    f"{speech / word}: the word is found in {count} of {len(paths)} takes, and {_FEWEST} "
                    "are needed; record it louder, with a pause around it"
                )
            (folder / word).mkdir()
            for number, (path, take, each) in enumerate(zip(paths, takes, found, strict=True)):
                if each is not None:
                    name = f"{_speaker(path, speech / word)}_nohash_{number}.flac"
                    soundfile.write(folder / word / name, cut(take, each, SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)
            left_out = f", {len(paths) - count} left out" if count < len(paths) else ""
            tqdm.write(f"{word}: found in {count} takes{left_out}", file=sys.stderr)


def _speaker(path: Path, folder: Path) -> str:
    """Who speaks, as in every folder of words: a folder below the word's, or the name up to the first `_`."""
    below = path.relative_to(folder).parts
    return below[0] if len(below) > 1 else path.stem.partition("_")[0]


def arrange(
    takes: Path | None,
    said: Path,
    keywords: Sequence[str],
    speech: Path,
    voices: Path,
    background: Sequence[Path] = (),
) -> None:
    """Part takes and synthetic voices into words that train and validate, and voices that only train.

    With takes these are the keywords of `speech`, and the voices say other words to validate with. Without
    takes the voices' keywords are.

    Args:
        takes: of `cut_takes`; None: there are none.
        said: of `data.voices.make`.
        keywords: to spot.
        speech: gets Speech Commands' layout, with a list of who validates.
        voices: gets the rest of what the voices say.
        background: recordings of the room in which the words were said.
    """
    recorded = [] if takes is None else sorted(takes.glob("*/*"))
    spoken = sorted(said.glob("*/*"))
    splits = {
        path: split
        for paths in (recorded, spoken)
        for word in {path.parent.name for path in paths}
        for path, split in _split([path for path in paths if path.parent.name == word]).items()
    }
    own = [path for path in spoken if path.parent.name in keywords] if takes is None else recorded
    others = [path for path in spoken if path.parent.name not in keywords and splits[path] == "validation"]
    with new_folder(speech) as folder:
        for path in [*own, *others, *background]:
            _link(path, folder)
        held_out = [path for path in own if splits[path] == "validation"] + others
        names = sorted(f"{path.parent.name}/{path.name}" for path in held_out)
        (folder / VALIDATION).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    with new_folder(voices) as folder:
        taken = set(own) | set(others)
        for path in spoken:
            if path not in taken:
                _link(path, folder)


def _split(paths: Sequence[Path]) -> dict[Path, str]:
    """Who validates, by the speaker; of a few takes by one speaker every sixth."""
    speakers = {path: path.name.partition("_nohash_")[0] for path in paths}
    if len(set(speakers.values())) < len(_ORDER):
        speakers = {path: path.name for path in paths}
    splits = split_by_rank(speakers.values(), _ORDER)
    return {path: splits[speaker] for path, speaker in speakers.items()}


def _link(path: Path, folder: Path) -> None:
    (folder / path.parent.name).mkdir(exist_ok=True)
    try:
        os.link(path, folder / path.parent.name / path.name)
    except OSError:  # a file system without hard links
        shutil.copyfile(path, folder / path.parent.name / path.name)
