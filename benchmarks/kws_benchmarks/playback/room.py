"""A room between a loudspeaker and a microphone, as a function from played sound to recorded sound."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
import soxr
from numpy.typing import NDArray

from kws_device import InputError
from kws_device.sources import portaudio

from .chirp import chirp, find_pair
from .loudspeaker import Loudspeaker

_PAUSE_S = 0.4
"""Between a chirp and the sound, so that the chirp's echo is gone, and around all of it."""
_LATENCY_S = 1.0
"""At most from the end of playing to its recording; wireless devices take their time."""
_HANGS_S = 10.0
"""A device that needs so much longer than its sound will not end."""
_STALL_S = 2.0
_TAKES = 3
"""One is spoilt by a block that came late or was lost; more than a few by something else."""
_TAKE_S = 20.0

Sound = NDArray[np.float32]


class Room:
    """Plays sound and records it at the same time.

    A chirp before the sound tells to the sample where it begins, one behind it that nothing was lost in
    between. Levels are those of the room: set the loudspeaker as loud as people speak.
    """

    def __init__(
        self, speaker: str | None = None, microphone: str | None = None, channel: int | None = None
    ) -> None:
        """Choose devices by their names or parts of them; None: the system's defaults.

        Args:
            speaker: the loudspeaker.
            microphone: the recording device.
            channel: of the microphone, from 1; None: what it offers as mono.

        Raises:
            InputError: there are no such devices.
        """
        self._loudspeaker = Loudspeaker(speaker)
        self._device = portaudio.find_device(microphone)
        self._channel = channel
        self.name = f"{self._loudspeaker.name} to {self._device['name']}"

    def play(self, samples: Sound, sample_rate_hz: int) -> Sound:
        """What the microphone hears of a sound, aligned with it; takes as long as the sound, and a little.

        Args:
            samples: shape (n,), full scale is 1.0; turned down where it is louder than that.
            sample_rate_hz: of what is given and returned.

        Returns:
            shape (n,).

        Raises:
            InputError: a device that cannot be opened, or the loudspeaker is not heard.
        """
        rate = self._loudspeaker.rate_hz
        sound = soxr.resample(samples, sample_rate_hz, rate) if rate != sample_rate_hz else samples
        sound = sound / np.float32(max(1.0, np.abs(sound).max(initial=0)))
        pause, mark = np.zeros(round(_PAUSE_S * rate), dtype=np.float32), chirp(rate)
        score = np.concatenate([pause, mark, pause, sound, pause, mark, pause])
        offset_s, apart_s = (len(mark) + len(pause)) / rate, (len(mark) + 2 * len(pause) + len(sound)) / rate
        for _ in range(_TAKES):
            recording, recorded_hz = self._take(score)
            first = find_pair(recording, recorded_hz, apart_s)
            if first is not None:
                begin = first + round(offset_s * recorded_hz)
                heard = recording[begin : begin + round(len(samples) / sample_rate_hz * recorded_hz)]
                if recorded_hz != sample_rate_hz:
                    heard = soxr.resample(heard, recorded_hz, sample_rate_hz)
                # Rates that are no multiples of each other round lengths by a sample.
                return np.resize(np.append(heard, np.float32(0)), len(samples))
        raise InputError(
            f"{self.name}: the microphone does not hear the loudspeaker, or not without gaps; "
            "turn it up, or choose others with --speaker and --device"
        )

    def _take(self, score: Sound) -> tuple[Sound, int]:
        """A recording of all of a sound, and its rate."""
        microphone = portaudio.Stream(self._device, self._channel)
        try:
            playing = self._loudspeaker.start(score)
            blocks = []
            until_s = time.monotonic() + len(score) / self._loudspeaker.rate_hz + _HANGS_S
            try:
                while time.monotonic() < until_s and (block := microphone.read(_STALL_S)) is not None:
                    blocks.append(block.samples[:, 0 if self._channel is None else self._channel - 1])
                    if playing.ended:
                        until_s = min(until_s, block.at_s + _LATENCY_S)
            finally:
                playing.close()
        finally:
            microphone.close()
        recording = np.concatenate([np.zeros(0, np.int16), *blocks])
        return recording * np.float32(1 / 32768), microphone.rate_hz


def play_clips(room: Room, clips: Iterable[Sound], sample_rate_hz: int) -> Iterator[Sound]:
    """What the microphone hears of many short clips, several of them in each take.

    Args:
        room: to play them in.
        clips: shape (n,) each.
        sample_rate_hz: of the clips.

    Yields:
        for each clip its recording, of the same length.
    """
    pause = np.zeros(round(_PAUSE_S * sample_rate_hz), dtype=np.float32)
    waiting: list[Sound] = []

    def take() -> Iterator[Sound]:
        heard = room.play(
            np.concatenate([part for clip in waiting for part in (clip, pause)]), sample_rate_hz
        )
        at = 0
        for clip in waiting:
            yield heard[at : at + len(clip)]
            at += len(clip) + len(pause)
        waiting.clear()

    for clip in clips:
        waiting.append(clip)
        if sum(map(len, waiting)) >= _TAKE_S * sample_rate_hz:
            yield from take()
    if waiting:
        yield from take()
