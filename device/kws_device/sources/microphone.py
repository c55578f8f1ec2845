"""The microphone as a source that never ends: it reconnects after every failure."""

from __future__ import annotations

import functools
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from .._support.errors import InputError
from . import portaudio
from .abandonable_call import AbandonableCall
from .sample_clock import SampleClock
from .source import LISTENING

_STALL_S = 2.0
"""A live microphone delivers every few milliseconds; after so long without any it is opened anew."""
_TICK_S = 0.1
"""How often silence is delivered while the microphone is away."""
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 15.0
"""Between attempts to open; doubled from one to the next."""
_HANGS_S = 300.0
"""An attempt that takes so long never ends; a new process is the only way out."""


@dataclass(frozen=True)
class InputDevice:
    """A device that can record."""

    name: str
    """What `Microphone` takes."""
    sample_rate_hz: float
    """Its own rate."""
    channels: int


def microphones() -> list[InputDevice]:
    """The microphones of this machine.

    PortAudio looks for devices when it starts. One that is plugged in later is found by a `Microphone` that
    waits for it, and by the next process.

    Raises:
        InputError: PortAudio is not installed.
    """
    return [
        InputDevice(device["name"], device["default_samplerate"], device["max_input_channels"])
        for device in portaudio.input_devices()
    ]


class Microphone:
    """A recording device, opened at its own rate and resampled to the model's.

    When it falls silent, is unplugged or its sound server dies, the source delivers silence in
    step with the clock and opens it again, for as long as it takes.

    Times go on while the process is stopped (Ctrl-Z) or its listener busy for long: what was missed is
    delivered as silence of its length, a second at a time, and counted in `lost_s`. While the whole machine
    sleeps, its clock stands still, and nothing counts as lost.

    It may be listened to again after a `break`. Every listening opens the device anew and counts its times,
    `audio_s` and `lost_s` from zero: what was said between two of them is not lost, since nobody listened.
    """

    def __init__(
        self, device: str | None = None, channel: int | None = None, gain_db: float = 0.0, wait: bool = False
    ) -> None:
        """Choose a device by its name or a part of it; None: the system's default.

        Args:
            device: name or part of one.
            channel: which to listen to, from 1; None: what the device offers as mono.
            gain_db: amplification of every sample.
            wait: for a device that is not there yet, rather than refuse it.

        Raises:
            InputError: there is no such device, unless `wait`; a gain beyond reason.
        """
        if not -60 <= gain_db <= 60:
            raise InputError(f"--gain-db {gain_db:g}: must lie between -60 and 60")
        self._device = device
        self._channel = channel
        self._wait = wait
        self._gain = np.float32(10 ** (gain_db / 20) / 32768)
        self._clock: SampleClock | None = None
        """From the first block on, or from the first wait."""
        self._pause_s = _FIRST_PAUSE_S
        self.name = device or "the default microphone"
        self.audio_s = 0.0
        self.lost_s = 0.0
        self.state = LISTENING
        if not wait:
            self.name = portaudio.find_device(device)["name"]

    def blocks(self, sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
        """Sound as it is recorded, without end; silence in place of what was lost.

        Raises:
            InputError: the device cannot be opened at the start, unless it was to be waited for;
                PortAudio itself hangs.
        """
        self._begin()
        stream: portaudio.Stream | None = None
        try:
            try:
                stream = self._open()
            except InputError as error:
                if not self._wait:
                    raise
                self._waits(str(error))
            while True:
                if stream is None:
                    stream = yield from self._silence_until_open(sample_rate_hz)
                yield from self._recorded(stream, sample_rate_hz)
                stream.close()
                stream = None
        finally:
            if stream is not None:
                stream.close()

    def _begin(self) -> None:
        self._clock = None
        self._pause_s = _FIRST_PAUSE_S
        self.audio_s = self.lost_s = 0.0
        self.state = LISTENING

    def _open(self) -> portaudio.Stream:
        with portaudio.in_use():
            device = portaudio.find_device(self._device)
            stream = portaudio.Stream(device, self._channel)
        self.name = device["name"]
        return stream

    def _open_later(self, pause_s: float) -> portaudio.Stream:
        time.sleep(pause_s)
        portaudio.look_again()
        return self._open()

    def _waits(self, reason: str) -> None:
        self.state = f"waiting for {self.name}: {reason}"

    def _recorded(self, stream: portaudio.Stream, sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
        rate = stream.rate_hz
        resampler = soxr.ResampleStream(rate, sample_rate_hz, 1) if rate != sample_rate_hz else None

        def resampled(samples: NDArray[np.float32], last: bool = False) -> NDArray[np.float32]:
            self.audio_s += len(samples) / rate
            return samples if resampler is None else resampler.resample_chunk(samples, last)

        while (recorded := stream.read(_STALL_S)) is not None:
            self.state = LISTENING
            self._pause_s = _FIRST_PAUSE_S
            block_s = len(recorded.samples) / rate
            if self._clock is None:
                self._clock = SampleClock(recorded.at_s - block_s)
            lost_s = self._clock.arrived(recorded.at_s, block_s, recorded.overflowed)
            for silence in self._in_place_of_lost(self._clock, round(lost_s * rate), rate):
                yield resampled(silence)
            column = 0 if self._channel is None else self._channel - 1
            yield resampled(recorded.samples[:, column] * self._gain)
        self._waits("it delivers no sound")
        yield resampled(np.zeros(0, dtype=np.float32), last=True)
        if self._clock is not None:
            yield from self._silence(self._clock, time.monotonic(), sample_rate_hz)

    def _silence_until_open(
        self, sample_rate_hz: int
    ) -> Generator[NDArray[np.float32], None, portaudio.Stream]:
        """In step with the clock, so that times stay right and whoever listens stays alive."""
        if self._clock is None:
            self._clock = SampleClock(time.monotonic())
        attempt = AbandonableCall(self._open)
        try:
            while True:
                began_s = time.monotonic()
                while not attempt.wait(_TICK_S):
                    now_s = time.monotonic()
                    if now_s - began_s > _HANGS_S:
                        raise InputError(f"{self.name}: PortAudio hangs while opening it; start again")
                    yield from self._silence(self._clock, now_s, sample_rate_hz)
                try:
                    return attempt.result()
                except Exception as error:  # PortAudio has many ways to fail while its server is away
                    self._waits(str(error))
                pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
                attempt = AbandonableCall(functools.partial(self._open_later, pause_s))
        except GeneratorExit:
            # Nobody listens any more, and the device must not stay taken.
            AbandonableCall(functools.partial(_close_late, attempt))
            raise

    def _silence(
        self, clock: SampleClock, now_s: float, sample_rate_hz: int
    ) -> Iterator[NDArray[np.float32]]:
        missing = int(clock.missing(now_s) * sample_rate_hz)
        for silence in self._in_place_of_lost(clock, missing, sample_rate_hz):
            self.audio_s += len(silence) / sample_rate_hz
            yield silence

    def _in_place_of_lost(
        self, clock: SampleClock, samples: int, rate_hz: int
    ) -> Iterator[NDArray[np.float32]]:
        """Silence of so many samples, in blocks of a second: of a stopped process there may be hours."""
        for start in range(0, samples, rate_hz):
            silence = np.zeros(min(rate_hz, samples - start), dtype=np.float32)
            clock.filled(len(silence) / rate_hz)
            self.lost_s += len(silence) / rate_hz
            yield silence


def _close_late(attempt: AbandonableCall[portaudio.Stream]) -> None:
    """Close what an attempt to open brings, whenever it does."""
    if attempt.wait(_HANGS_S):
        with suppress(Exception):  # it brought nothing
            attempt.result().close()
