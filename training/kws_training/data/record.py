"""Asks for takes of several words in turn, and writes them into a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from kws_device import audio_files
from kws_device.sources import AudioSource
from kws_device.takes.find import LEAST_AGREEMENT, find_words
from kws_device.takes.record import Recorder

from .take_files import SAMPLE_RATE_HZ, TakeFolder

_FEWEST = 5
"""Takes that can be compared with each other."""
_BAR = "{l_bar}{bar}| {n:.0f} of {total:.0f} s"


@dataclass(frozen=True)
class Plan:
    """What to record."""

    words: tuple[str, ...]
    takes: int
    """Of each word by this speaker, with those that are there already."""
    take_s: float
    room_s: float
    """Of the noise of the room, before the first word; 0: none."""


def record(plan: Plan, folder: TakeFolder, source: AudioSource, tell: Callable[[str], None]) -> list[Path]:
    """Ask for each word again and again, in turn, until there are enough takes that can be used.

    Every take is written at once, so an interrupted session goes on where it was.

    Args:
        plan: what to record.
        folder: where takes go.
        source: the microphone.
        tell: takes a line for the speaker.

    Returns:
        the new takes.

    Raises:
        InputError: no sound, several takes in a row that cannot be used, or a folder that cannot be written.
    """
    left = {word: plan.takes - len(folder.takes(word)) for word in plan.words}
    if all(count <= 0 for count in left.values()):
        tell(f"{folder.folder}: all takes are there; ask for more with --takes")
        return []
    recorder = Recorder(source, SAMPLE_RATE_HZ)
    if plan.room_s:
        tell(f"Be quiet for {plan.room_s:g} seconds: the noise of the room is recorded.")
        with tqdm(total=plan.room_s, bar_format=_BAR, leave=False) as bar:
            folder.add_background(recorder.take(plan.room_s, bar.update))
    written = []
    for word in _in_turn(left):
        prompt = f"{word}  {plan.takes - left[word] + 1}/{plan.takes}"
        written.append(folder.add(word, *recorder.ask(word, prompt, plan.take_s, tell)))
        left[word] -= 1
    return written


def unlike(folder: TakeFolder, word: str) -> list[Path]:
    """The takes of a word that do not sound like the others; none where there are too few to compare.

    Raises:
        InputError: a take that cannot be read.
    """
    paths = folder.takes(word)
    if len(paths) < _FEWEST:
        return []
    found = find_words([audio_files.read(path, SAMPLE_RATE_HZ) for path in paths], SAMPLE_RATE_HZ)
    return [
        path
        for path, each in zip(paths, found, strict=True)
        if each is None or each.agreement < LEAST_AGREEMENT
    ]


def _in_turn(left: dict[str, int]) -> Iterator[str]:
    """One word after the other: a word that is said ten times in a row is said differently."""
    while words := [word for word, count in left.items() if count > 0]:
        yield from words
