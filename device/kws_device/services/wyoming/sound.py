"""Sound as clients send it (any rate, width and number of channels) as samples for a spotter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

_RATES_HZ = (4_000, 192_000)
_MOST_CHANNELS = 8
_TYPES: dict[int, Any] = {1: np.uint8, 2: "<i2", 4: "<i4"}
"""By width in bytes; three bytes are read apart."""


@dataclass(frozen=True)
class SoundFormat:
    """How a client's samples are written."""

    rate_hz: int
    width: int
    """Bytes of a sample: 1 (unsigned), 2, 3 or 4 (signed, little endian)."""
    channels: int


def sound_format(data: dict[str, Any]) -> SoundFormat:
    """The format that an event states.

    Raises:
        ValueError: one is missing, or none that can be heard.
    """
    found: list[Any] = [data.get(name) for name in ("rate", "width", "channels")]
    rate, width, channels = found
    if any(type(value) is not int for value in found):
        raise ValueError("rate, width and channels must be whole numbers")
    least, most = _RATES_HZ
    if not least <= rate <= most or width not in (1, 2, 3, 4) or not 1 <= channels <= _MOST_CHANNELS:
        raise ValueError(
            f"rate must be {least} to {most}, width 1 to 4, channels 1 to {_MOST_CHANNELS}, "
            f"not {rate}, {width}, {channels}"
        )
    return SoundFormat(rate, width, channels)


class Converter:
    """Turns the payloads of one stream into mono at one rate."""

    def __init__(self, form: SoundFormat, rate_hz: int) -> None:
        """From a format to a rate."""
        self.form = form
        self._frame = form.width * form.channels
        self._resampler = None
        if form.rate_hz != rate_hz:
            self._resampler = soxr.ResampleStream(form.rate_hz, rate_hz, 1)

    def samples(self, payload: bytes, last: bool = False) -> NDArray[np.floating[Any] | np.int16]:
        """The sound of a payload; with another rate, a part of it comes with the next.

        Args:
            payload: whole frames; a part of one at the end is left out.
            last: whether the stream ends with it.

        Returns:
            shape (n,): int16 where the client sends 16 bit mono at the wanted rate, else float32.
        """
        payload = payload[: len(payload) // self._frame * self._frame]
        if self._resampler is None and self.form.width == 2 and self.form.channels == 1:
            return np.frombuffer(payload, "<i2").astype(np.int16, copy=False)
        samples = _full_scale_1(payload, self.form.width).reshape(-1, self.form.channels)
        mono: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
        if self._resampler is not None:
            mono = self._resampler.resample_chunk(mono, last=last)
        return mono


def _full_scale_1(payload: bytes, width: int) -> NDArray[np.float32]:
    if width == 3:
        padded = np.zeros((len(payload) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(payload, np.uint8).reshape(-1, 3)
        payload, width = padded.tobytes(), 4
    samples = np.frombuffer(payload, _TYPES[width]).astype(np.float32)
    middle, full = (128, 128) if width == 1 else (0, 2 ** (8 * width - 1))
    return (samples - np.float32(middle)) / np.float32(full)
