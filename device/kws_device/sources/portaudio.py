"""PortAudio (sounddevice), imported only here and only when a microphone or a loudspeaker is used.

Whatever may hang in it when a device stalls, opening, closing, starting anew, runs in threads that
nobody waits for without a limit.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.errors import InputError
from .._support.native_stderr import quiet_libraries
from .abandonable_call import AbandonableCall

_BLOCK_S = 0.02
_MOST_QUEUED_S = 30.0
"""A listener that is further behind loses sound rather than memory."""
_COMMON_RATES_HZ = (48_000, 44_100, 16_000)
_CLOSING_S = 1.0
_MOST_CHANNELS = 8
_FIRST_S = 3.0
"""For the first block after opening: wireless devices and sound servers take their time. Not longer,
since PortAudio keeps a processor busy while it waits for a suspended source."""


def library() -> Any:
    """The module sounddevice. Raises InputError where PortAudio is not installed."""
    try:
        import sounddevice
    except OSError as error:
        raise InputError(
            "PortAudio is not installed, so there is no microphone; on Debian or Raspberry Pi OS run: "
            "sudo apt install libportaudio2, then look with: kws-listen --list-devices"
        ) from error
    # Its clean-up at exit waits for stalled streams, for ever; the system cleans up without it.
    atexit.unregister(sounddevice._exit_handler)
    return sounddevice


def input_devices() -> list[dict[str, Any]]:
    """PortAudio's devices that can record, with their `name`, `index` and `default_samplerate`.

    Raises:
        InputError: PortAudio is not installed.
    """
    return [device for device in library().query_devices() if device["max_input_channels"] > 0]


def find_device(name: str | None) -> dict[str, Any]:
    """The recording device whose name contains `name`, in any case; None: the system's default.

    Names stay the same when devices come and go; PortAudio's numbers do not.

    Raises:
        InputError: there is no microphone, or none or several of that name.
    """
    return _choose(input_devices(), name, 0, "microphone", "--device", " (kws-listen --list-devices)")


def find_loudspeaker(name: str | None) -> dict[str, Any]:
    """The playing device whose name contains `name`, in any case; None: the system's default.

    Raises:
        InputError: there is no loudspeaker, or none or several of that name.
    """
    devices = [device for device in library().query_devices() if device["max_output_channels"] > 0]
    return _choose(devices, name, 1, "loudspeaker", "--speaker", "")


def _choose(
    devices: list[dict[str, Any]], name: str | None, default: int, what: str, option: str, look: str
) -> dict[str, Any]:
    """The device that `option` means; `default` is where PortAudio tells the default one of its kind."""
    if not devices:
        raise InputError(f"no {what} found; plug one in{look}")
    if name is None:
        index = library().default.device[default]
        return next((device for device in devices if device["index"] == index), devices[0])
    exact = [device for device in devices if device["name"] == name]
    matches = exact or [device for device in devices if name.lower() in device["name"].lower()]
    if not matches:
        known = ", ".join(repr(device["name"]) for device in devices)
        raise InputError(f"{option} {name}: no such {what}; there are {known}{look}")
    if len(matches) > 1 and not exact:
        several = ", ".join(repr(device["name"]) for device in matches)
        raise InputError(f"{option} {name}: could be {several}; give more of the name")
    return matches[0]


@dataclass(frozen=True)
class Recorded:
    """A block as the sound card delivered it."""

    samples: NDArray[np.int16]
    """shape (n, channels)."""
    at_s: float
    """When it came, by the monotonic clock."""
    overflowed: bool
    """Sound was lost right before it, says the driver."""


class Stream:
    """A device that records. Its callback only copies."""

    def __init__(self, device: dict[str, Any], channel: int | None) -> None:
        """Open `device` at its own rate and wait for its first block.

        Args:
            device: one of `input_devices`.
            channel: the one that is wanted, from 1; None: whatever the device offers as mono.

        Raises:
            InputError: the device cannot be opened, has no such channel, or delivers nothing.
        """
        sounddevice = library()
        most = device["max_input_channels"]
        if channel is not None and not 1 <= channel <= most:
            raise InputError(f"--channel {channel}: {device['name']} has {most} (from 1)")
        with in_use():
            self._start(sounddevice, device, (1, most) if channel is None else (channel, most))
        self._first = self._next(_FIRST_S)
        if self._first is None:
            self.close()
            raise InputError(f"{device['name']}: it delivers no sound; is it suspended or muted?")

    def _start(self, sounddevice: Any, device: dict[str, Any], counts: tuple[int, int]) -> None:
        """Open at the first rate that works.

        Sound servers mix down to one channel; bare hardware may offer all or nothing.
        """
        own = round(device["default_samplerate"])
        failure: Exception | None = None
        for rate_hz in (own, *(rate for rate in _COMMON_RATES_HZ if rate != own)):
            for channels in dict.fromkeys(counts):
                try:
                    with quiet_libraries():
                        self._open(sounddevice, device, rate_hz, channels)
                    return
                except (sounddevice.PortAudioError, ValueError) as error:
                    failure = failure or error
        raise InputError(
            f"{device['name']}: the microphone cannot be opened ({failure}); is it in use?"
        ) from failure

    def _open(self, sounddevice: Any, device: dict[str, Any], rate_hz: int, channels: int) -> None:
        # None stands for: the stream has ended.
        heard: queue.SimpleQueue[Recorded | None] = queue.SimpleQueue()
        most = round(_MOST_QUEUED_S / _BLOCK_S)
        dropped = False

        def callback(data: NDArray[np.int16], frames: int, clock: Any, status: Any) -> None:
            nonlocal dropped
            if heard.qsize() >= most:
                dropped = True
                return
            heard.put(Recorded(data.copy(), time.monotonic(), status.input_overflow or dropped))
            dropped = False

        self.rate_hz = rate_hz
        self._heard = heard
        self._stream = sounddevice.InputStream(
            samplerate=rate_hz,
            device=device["index"],
            channels=channels,
            dtype="int16",  # what microphones record
            blocksize=round(_BLOCK_S * rate_hz),
            callback=callback,
            finished_callback=lambda: heard.put(None),
        )
        with _lock:
            _streams[id(self._stream)] = self._stream
        try:
            self._stream.start()
        except sounddevice.PortAudioError:
            self.close()
            raise

    def read(self, patience_s: float) -> Recorded | None:
        """The next block, waited for so long; None: the stream is dead or stalled."""
        first, self._first = self._first, None
        return first or self._next(patience_s)

    def _next(self, patience_s: float) -> Recorded | None:
        try:
            return self._heard.get(timeout=patience_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Let go of the device. A stalled one is left behind rather than waited for."""
        AbandonableCall(functools.partial(_close, self._stream)).wait(_CLOSING_S)


def record(name: str | None, seconds: float) -> tuple[NDArray[np.float32], int]:
    """So many seconds of a device, all its channels, and their rate.

    Returns:
        float32, shape (n, channels), full scale is 1.0; n may fall short where the device stops.

    Raises:
        InputError: as `find_device` and `Stream`.
    """
    with in_use():
        device = find_device(name)
        most = device["max_input_channels"]
        # A sound server offers dozens, all the same; an array of microphones has up to eight.
        stream = Stream(device, most if most <= _MOST_CHANNELS else None)
    blocks: list[NDArray[np.int16]] = []
    try:
        while sum(map(len, blocks)) < seconds * stream.rate_hz:
            if (recorded := stream.read(_FIRST_S)) is None:
                break
            blocks.append(recorded.samples)
    finally:
        stream.close()
    return np.concatenate(blocks) * np.float32(1 / 32768), stream.rate_hz


_lock = threading.Lock()
"""Held while PortAudio starts anew, and to change who uses it."""
_streams: dict[int, Any] = {}
"""By identity: those of this module that are open, or hang while they are closed."""
_users = 0


@contextlib.contextmanager
def in_use() -> Iterator[None]:
    """PortAudio does not start anew meanwhile, so that its device numbers mean the same devices."""
    global _users
    with _lock:
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1


def _close(stream: Any) -> None:
    stream.close()
    with _lock:
        _streams.pop(id(stream), None)


def look_again() -> None:
    """Let PortAudio find devices that were plugged in, or a sound server that came back.

    It looks only once, when it starts, and starting anew ends every stream of the process. So nothing
    happens while another `Stream` is open, being opened, or hangs while it is closed; a microphone that is
    away is found again when the others are closed. Streams that others opened with sounddevice are not
    known here.
    """
    with _lock:
        if _users or _streams:
            return
        sounddevice = library()
        with quiet_libraries():
            sounddevice._terminate()
            sounddevice._initialize()
