"""Changes of a window: gain, clipping, bandwidth, rooms, and shifts in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_training.signal.augment import shifted
from kws_training.signal.reverb import REVERBERATION_S, in_room, room_response

Samples = NDArray[np.float32]

GAINS_DB = (20.0, -20.0)
BAND_HZ = (300.0, 3400.0)
"""What a telephone lets through (ITU-T G.712)."""
SHIFTS_MS = (50.0, 100.0)
_ORDER = 4
"""Of the filter at each edge of the band: 24 dB an octave."""


@dataclass(frozen=True)
class Change:
    """A condition that needs no background."""

    name: str
    """What reports and `--require` call it."""
    kind: str
    """gain, band, room or shift."""
    values: dict[str, Any]
    """What a report says of it, units in the names."""
    apply: Callable[[Samples, np.random.Generator], Samples]
    """A whole window and the window's own generator to the changed window, shape kept."""


def changes(sample_rate_hz: int) -> list[Change]:
    """All of them, for sound at this rate."""
    return [
        *(Change(f"gain{g:+g}", "gain", {"gain_db": g}, partial(_louder, g)) for g in GAINS_DB),
        Change("band", "band", {"band_hz": list(BAND_HZ)}, partial(_through_band, sample_rate_hz)),
        Change(
            "room", "room", {"reverberation_s": list(REVERBERATION_S)}, partial(_in_some_room, sample_rate_hz)
        ),
        *(
            Change(f"shift{ms:g}", "shift", {"shift_ms": ms}, partial(_moved, ms, sample_rate_hz))
            for ms in SHIFTS_MS
        ),
    ]


def _louder(gain_db: float, window: Samples, _: np.random.Generator) -> Samples:
    return louder(window, gain_db)


def louder(window: Samples, gain_db: float) -> Samples:
    """The window amplified, cut off at full scale as a converter does; shape (n,)."""
    amplified: Samples = np.clip(window * np.float32(10 ** (gain_db / 20)), -1, 1)
    return amplified


def _through_band(sample_rate_hz: int, window: Samples, _: np.random.Generator) -> Samples:
    return through_band(window, BAND_HZ, sample_rate_hz)


def through_band(window: Samples, band_hz: tuple[float, float], sample_rate_hz: int) -> Samples:
    """The window as a microphone of a limited band hears it.

    Args:
        window: shape (n,).
        band_hz: where the response is 3 dB down.
        sample_rate_hz: of the window.

    Returns:
        shape (n,), without delay.

    Source: the magnitude of a Butterworth high-pass and low-pass, 1 / sqrt(1 + (f / f0)^(2 order)).
    """
    low, high = band_hz
    spectrum = np.fft.rfft(window, 2 * len(window))
    hz = np.fft.rfftfreq(2 * len(window), 1 / sample_rate_hz)
    rising = np.divide(hz, low) ** _ORDER
    gain = rising / np.sqrt(1 + rising**2) / np.sqrt(1 + (hz / high) ** (2 * _ORDER))
    return np.fft.irfft(spectrum * gain)[: len(window)].astype(np.float32)


def _in_some_room(sample_rate_hz: int, window: Samples, rng: np.random.Generator) -> Samples:
    return in_room(window, room_response(sample_rate_hz, rng))


def _moved(most_ms: float, sample_rate_hz: int, window: Samples, rng: np.random.Generator) -> Samples:
    most = round(most_ms * sample_rate_hz / 1000)
    return shifted(window, int(rng.integers(-most, most + 1)))
