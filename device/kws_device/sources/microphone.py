"""The microphone, through PortAudio (sounddevice), which is imported only here and only when used."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from ..errors import InputError
from .source import LISTENING

_BLOCK_S = 0.02
_PATIENCE_S = 5.0
"""A live microphone delivers every few milliseconds; after so long without any it counts as gone."""


def _sounddevice() -> Any:
    try:
        import sounddevice
    except OSError as error:
        raise InputError(
            "PortAudio is not installed, so there is no microphone; on Debian or Raspberry Pi OS run: "
            "sudo apt install libportaudio2, then look with: kws-listen --list-devices"
        ) from error
    return sounddevice


def input_devices() -> list[dict[str, Any]]:
    """PortAudio's devices that can record, with their `name`, `index` and `default_samplerate`.

    Raises:
        InputError: PortAudio is not installed.
    """
    return [device for device in _sounddevice().query_devices() if device["max_input_channels"] > 0]


def find_device(name: str | None) -> dict[str, Any]:
    """The recording device whose name contains `name`, in any case; None: the system's default.

    Names stay the same when devices come and go; PortAudio's numbers do not.

    Raises:
        InputError: there is no microphone, or none or several of that name.
    """
    devices = input_devices()
    if not devices:
        raise InputError("no microphone found; plug one in and look with: kws-listen --list-devices")
    if name is None:
        default = _sounddevice().default.device[0]
        return next((device for device in devices if device["index"] == default), devices[0])
    exact = [device for device in devices if device["name"] == name]
    matches = exact or [device for device in devices if name.lower() in device["name"].lower()]
    if not matches:
        known = ", ".join(repr(device["name"]) for device in devices)
        raise InputError(
            f"--device {name}: no such microphone; there are {known} (kws-listen --list-devices)"
        )
    if len(matches) > 1 and not exact:
        several = ", ".join(repr(device["name"]) for device in matches)
        raise InputError(f"--device {name}: could be {several}; give more of the name")
    return matches[0]


class Microphone:
    """A recording device, opened at its own rate and resampled to the model's."""

    def __init__(self, device: str | None = None) -> None:
        """Choose a device by its name or a part of it; None: the system's default.

        Raises:
            InputError: there is no such device.
        """
        self._device = find_device(device)
        self.name: str = self._device["name"]
        self.audio_s = 0.0
        self.lost_s = 0.0
        self.state = LISTENING

    def blocks(self, sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
        """Sound as it is recorded, the first channel, without end.

        Raises:
            InputError: the device cannot be opened, or stops delivering.
        """
        sounddevice = _sounddevice()
        rate = round(self._device["default_samplerate"])
        heard: queue.SimpleQueue[tuple[NDArray[np.int16], bool]] = queue.SimpleQueue()

        def callback(data: NDArray[np.int16], frames: int, time: Any, status: Any) -> None:
            # PortAudio's thread: only copy.
            heard.put((data[:, 0].copy(), status.input_overflow))

        stream = self._open(sounddevice, rate, callback)
        resampler = soxr.ResampleStream(rate, sample_rate_hz, 1) if rate != sample_rate_hz else None
        with stream:
            while True:
                try:
                    recorded, overflowed = heard.get(timeout=_PATIENCE_S)
                except queue.Empty:
                    raise InputError(
                        f"{self.name}: the microphone delivers no sound any more; check its plug and "
                        "start again"
                    ) from None
                block = recorded * np.float32(1 / 32768)
                if overflowed:
                    self.lost_s += len(block) / rate
                self.audio_s += len(block) / rate
                yield block if resampler is None else resampler.resample_chunk(block)

    def _open(self, sounddevice: Any, rate: int, callback: Any) -> Any:
        # One channel first: sound servers mix down. Bare hardware may offer all or nothing.
        for channels in (1, self._device["max_input_channels"]):
            try:
                return sounddevice.InputStream(
                    samplerate=rate,
                    device=self._device["index"],
                    channels=channels,
                    dtype="int16",  # what microphones record
                    blocksize=round(_BLOCK_S * rate),
                    callback=callback,
                )
            except sounddevice.PortAudioError as error:
                failure = error
        raise InputError(f"{self.name}: the microphone cannot be opened ({failure}); is it in use?")
