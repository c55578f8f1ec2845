"""Cuts long recordings in which a word is said many times into takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from kws_device import InputError, audio_files
from kws_device.takes.find import find_repeats

from .take_files import SAMPLE_RATE_HZ, TakeFolder, check_word


def import_takes(
    files: Sequence[Path],
    dest: Path,
    word: str | None,
    speaker: str | None,
    tell: Callable[[str], None],
) -> int:
    """Write every time that the words are said as a take of its own.

    A file is called after what is said in it and by whom: `cat.wav`, `cat_anna.mp3`.

    Args:
        files: sound files.
        dest: folder for the words' folders; takes that are there stay.
        word: that is said in all files; None: as their names tell.
        speaker: who speaks in all files; None: as their names tell.
        tell: takes a line about each word.

    Returns:
        the number of new takes.

    Raises:
        InputError: a file that cannot be read, a name that tells no word, or a word that is not found;
            nothing is written then.
    """
    groups: dict[tuple[str, str | None], list[Path]] = {}
    for path in dict.fromkeys(files):
        named, _, speaks = path.stem.partition("_")
        key = word if word is not None else named, speaker if speaker is not None else speaks or None
        check_word(key[0])
        groups.setdefault(key, []).append(path)
    folders = {key: TakeFolder(dest, key[1]) for key in groups}
    found = {}
    for key, paths in groups.items():
        reading = tqdm(paths, desc=key[0], leave=False, unit="file")
        sounds = [audio_files.read(path, SAMPLE_RATE_HZ) for path in reading]
        takes, others = find_repeats(sounds, SAMPLE_RATE_HZ)
        for path, own in zip(paths, takes, strict=True):
            if not own:
                raise InputError(
                    f"{path}: {key[0]} is not found in it; say it several times, with a pause after each"
                )
        found[key] = sounds, takes, others
    count = 0
    for key, (sounds, takes, others) in found.items():
        said, by = key
        new = 0
        for sound, own in zip(sounds, takes, strict=True):
            for each in own:
                folders[key].add(said, sound, each)
                new += 1
        left_out = f", {others} other sounds left out" if others else ""
        tell(f"{said}{f' by {by}' if by else ''}: {new} takes{left_out}")
        count += new
    return count
