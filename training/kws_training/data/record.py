"""Records takes of words from a microphone, and tells of each take whether it can be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import InputError, audio_files
from kws_device.cli.mic_check import CLIPPED_SHARE, QUIET_DBFS, USABLE_SNR_DB, examine
from kws_device.sources import LISTENING, AudioSource

from .take_files import SAMPLE_RATE_HZ, TakeFolder
from .takes import Found, find_words

_PROMPT_S = 0.4
"""Sound that passes while people read what to say."""
_EDGE_S = 0.1
"""A word that begins or ends closer to an end of its take, with the margin of `find_words`, was cut off."""
_TRIES = 5
"""Takes in a row that could not be used: then something is wrong that people must change."""
_LEAST_AGREEMENT = 0.3
"""With the other takes; below it people should listen again. Takes of one word agree by 0.4 to 0.9."""
_FEWEST = 5
"""Takes that can be compared with each other."""
_BAR = "{l_bar}{bar}| {n:.0f} of {total:.0f} s"


@dataclass(frozen=True)
class Verdict:
    """Of one take."""

    found: Found | None
    """The word; None where the take cannot be used."""
    text: str
    """For people: levels, or why the take cannot be used."""


@dataclass(frozen=True)
class Plan:
    """What to record."""

    words: tuple[str, ...]
    takes: int
    """Of each word by this speaker, with those that are there already."""
    take_s: float
    room_s: float
    """Of the noise of the room, before the first word; 0: none."""


def judge(take: NDArray[np.float32]) -> Verdict:
    """Say whether a take of a word can be used, and find the word in it.

    Args:
        take: mono at SAMPLE_RATE_HZ, shape (n,), full scale is 1.0.

    Raises:
        InputError: the microphone delivers nothing but silence.
    """
    [channel] = examine(take[:, None], SAMPLE_RATE_HZ).channels
    if channel.dead:
        raise InputError("the microphone delivers silence; see that it is plugged in and not muted")
    if channel.clipped_share > CLIPPED_SHARE:
        return Verdict(None, "too loud, it clips: speak from further away, or lower the gain")
    [found] = find_words([take], SAMPLE_RATE_HZ)
    if found is None:
        return Verdict(None, "no word heard: say it louder, or come closer")
    edge = round(_EDGE_S * SAMPLE_RATE_HZ)
    if found.start < edge or found.end > len(take) - edge:
        return Verdict(None, "cut off: begin a moment later, and end before the take does")
    if channel.snr_db < USABLE_SNR_DB:
        return Verdict(None, f"only {channel.snr_db:.0f} dB over the noise: come closer, or speak louder")
    if channel.speech_dbfs < QUIET_DBFS:
        return Verdict(None, f"too quiet ({channel.speech_dbfs:.0f} dBFS): come closer, or raise the gain")
    return Verdict(found, f"good: {channel.speech_dbfs:.0f} dBFS, {channel.snr_db:.0f} dB over the noise")


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
    sound = _Sound(source)
    if plan.room_s:
        tell(f"Be quiet for {plan.room_s:g} seconds: the noise of the room is recorded.")
        folder.add_background(sound.take(plan.room_s, bar=True))
    written = []
    for word in _in_turn(left):
        number = plan.takes - left[word] + 1
        written.append(_one(word, f"{word}  {number}/{plan.takes}", plan, folder, sound, tell))
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
        if each is None or each.agreement < _LEAST_AGREEMENT
    ]


def _in_turn(left: dict[str, int]) -> Iterator[str]:
    """One word after the other: a word that is said ten times in a row is said differently."""
    while words := [word for word, count in left.items() if count > 0]:
        yield from words


def _one(
    word: str, prompt: str, plan: Plan, folder: TakeFolder, sound: _Sound, tell: Callable[[str], None]
) -> Path:
    reasons: list[str] = []
    while len(reasons) < _TRIES:
        tell(f"{prompt}  say: {word}")
        sound.take(_PROMPT_S)
        take = sound.take(plan.take_s)
        verdict = judge(take)
        tell(f"    {verdict.text}")
        if verdict.found is not None:
            return folder.add(word, take, verdict.found)
        reasons.append(verdict.text)
    raise InputError(
        f"{_TRIES} takes in a row could not be used (the last: {reasons[-1]}); "
        "then run the same command again: it goes on from here"
    )


class _Sound:
    """A microphone, a number of seconds at a time, without gaps between them."""

    def __init__(self, source: AudioSource) -> None:
        self._source = source
        self._blocks = source.blocks(SAMPLE_RATE_HZ)
        self._left = np.zeros(0, np.float32)

    def take(self, seconds: float, bar: bool = False) -> NDArray[np.float32]:
        """The next seconds, shape (n,); raises InputError where no sound comes."""
        wanted = round(seconds * SAMPLE_RATE_HZ)
        have = [self._left]
        count = len(self._left)
        with tqdm(total=seconds, bar_format=_BAR, disable=not bar, leave=False) as progress:
            while count < wanted:
                block = next(self._blocks, None)
                if block is None or self._source.state != LISTENING:
                    raise InputError(f"{self._source.name}: delivers no sound; see that it is plugged in")
                have.append(block)
                count += len(block)
                progress.update(len(block) / SAMPLE_RATE_HZ)
        sound = np.concatenate(have)
        self._left = sound[wanted:]
        return sound[:wanted]
