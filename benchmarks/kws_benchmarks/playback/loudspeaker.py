"""Plays a sound over a loudspeaker while a microphone records."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError
from kws_device._support.native_stderr import quiet_libraries
from kws_device.sources import portaudio

_BLOCK_S = 0.1
_CHANNELS = (1, 2)
"""Bare hardware may offer nothing but stereo; both sides then play the same."""


class Loudspeaker:
    """A playing device, at its own rate."""

    def __init__(self, name: str | None = None) -> None:
        """Choose a device by its name or a part of it; None: the system's default.

        Raises:
            InputError: there is no such device.
        """
        self._device = portaudio.find_loudspeaker(name)
        self.name: str = self._device["name"]
        self.rate_hz = round(self._device["default_samplerate"])

    def start(self, samples: NDArray[np.float32]) -> Playing:
        """Begin to play, shape (n,), full scale is 1.0, at `rate_hz`.

        Raises:
            InputError: the device cannot be opened.
        """
        failure: Exception | None = None
        for channels in _CHANNELS:
            try:
                with quiet_libraries():
                    return Playing(self._device["index"], self.rate_hz, channels, samples)
            except (portaudio.library().PortAudioError, ValueError) as error:
                failure = failure or error
        raise InputError(f"{self.name}: the loudspeaker cannot be opened ({failure}); is it in use?")


class Playing:
    """A sound that is being played. Close it."""

    def __init__(self, index: int, rate_hz: int, channels: int, samples: NDArray[np.float32]) -> None:
        sounddevice = portaudio.library()
        self._ended = threading.Event()
        at = 0

        def callback(out: NDArray[np.float32], frames: int, clock: Any, status: Any) -> None:
            nonlocal at
            part = samples[at : at + frames]
            out[: len(part)] = part[:, None]
            out[len(part) :] = 0
            at += frames
            if at >= len(samples):
                raise sounddevice.CallbackStop

        self._stream = sounddevice.OutputStream(
            samplerate=rate_hz,
            device=index,
            channels=channels,
            dtype="float32",
            blocksize=round(_BLOCK_S * rate_hz),
            latency="high",  # nobody waits for it, and a gap would spoil the take
            callback=callback,
            finished_callback=self._ended.set,
        )
        self._stream.start()

    @property
    def ended(self) -> bool:
        """Whether the last sample was played, or the device is gone."""
        return self._ended.is_set()

    def close(self) -> None:
        """Let go of the device."""
        self._stream.close()
