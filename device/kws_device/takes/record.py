"""Records takes of a word, and tells of each whether it can be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._support.errors import InputError
from ..mic_check import CLIPPED_SHARE, QUIET_DBFS, USABLE_SNR_DB, examine
from ..sources import LISTENING, AudioSource
from .find import Found, find_words

_PROMPT_S = 0.4
"""Sound that passes while people read what to say."""
_EDGE_S = 0.1
"""A word that begins or ends closer to an end of its take, with the margin of `find_words`, was cut off."""
_TRIES = 5
"""Takes in a row that could not be used: then something is wrong that people must change."""


@dataclass(frozen=True)
class Verdict:
    """Of one take."""

    found: Found | None
    """The word; None where the take cannot be used."""
    text: str
    """For people: levels, or why the take cannot be used."""


def judge(take: NDArray[np.float32], sample_rate_hz: int) -> Verdict:
    """Say whether a take of a word can be used, and find the word in it.

    Args:
        take: mono, shape (n,), full scale is 1.0.
        sample_rate_hz: of the take.

    Raises:
        InputError: the microphone delivers nothing but silence.
    """
    [channel] = examine(take[:, None], sample_rate_hz).channels
    if channel.dead:
        raise InputError("the microphone delivers silence; see that it is plugged in and not muted")
    if channel.clipped_share > CLIPPED_SHARE:
        return Verdict(None, "too loud, it clips: speak from further away, or lower the gain")
    [found] = find_words([take], sample_rate_hz)
    if found is None:
        return Verdict(None, "no word heard: say it louder, or come closer")
    edge = round(_EDGE_S * sample_rate_hz)
    if found.start < edge or found.end > len(take) - edge:
        return Verdict(None, "cut off: begin a moment later, and end before the take does")
    if channel.snr_db < USABLE_SNR_DB:
        return Verdict(None, f"only {channel.snr_db:.0f} dB over the noise: come closer, or speak louder")
    if channel.speech_dbfs < QUIET_DBFS:
        return Verdict(None, f"too quiet ({channel.speech_dbfs:.0f} dBFS): come closer, or raise the gain")
    return Verdict(found, f"good: {channel.speech_dbfs:.0f} dBFS, {channel.snr_db:.0f} dB over the noise")


class Recorder:
    """A microphone, a number of seconds at a time, without gaps between them."""

    def __init__(self, source: AudioSource, sample_rate_hz: int) -> None:
        """Open the source. Raises InputError as the source does, with the first take."""
        self.sample_rate_hz = sample_rate_hz
        self._source = source
        self._blocks = source.blocks(sample_rate_hz)
        self._left = np.zeros(0, np.float32)

    def take(
        self, seconds: float, progress: Callable[[float], None] = lambda seconds: None
    ) -> NDArray[np.float32]:
        """The next seconds, shape (n,).

        Args:
            seconds: to record.
            progress: is told how many more seconds there are, again and again.

        Raises:
            InputError: no sound comes.
        """
        wanted = round(seconds * self.sample_rate_hz)
        have, count = [self._left], len(self._left)
        while count < wanted:
            block = next(self._blocks, None)
            if block is None or self._source.state != LISTENING:
                raise InputError(f"{self._source.name}: delivers no sound; see that it is plugged in")
            have.append(block)
            count += len(block)
            progress(len(block) / self.sample_rate_hz)
        sound = np.concatenate(have)
        self._left = sound[wanted:]
        return sound[:wanted]

    def ask(
        self, word: str, prompt: str, take_s: float, tell: Callable[[str], None]
    ) -> tuple[NDArray[np.float32], Found]:
        """Ask for a word until a take of it can be used.

        Args:
            word: to be said.
            prompt: what stands before it, the number of the take for example.
            take_s: length of a take.
            tell: takes a line for the speaker.

        Returns:
            the take, shape (n,), and where the word is.

        Raises:
            InputError: no sound, or several takes in a row that cannot be used.
        """
        for _ in range(_TRIES):
            tell(f"{prompt}  say: {word}")
            self.take(_PROMPT_S)
            take = self.take(take_s)
            verdict = judge(take, self.sample_rate_hz)
            tell(f"    {verdict.text}")
            if verdict.found is not None:
                return take, verdict.found
        raise InputError(f"{word}: {_TRIES} takes in a row could not be used; the last: {verdict.text}")
