"""Room impulse responses from a statistical model of reverberation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SECONDS = 0.5
"""Length of a response; what comes later is far below the word."""
REVERBERATION_S = (0.15, 0.8)
_DIRECT_TO_REVERBERANT_DB = (-3.0, 12.0)
_FIRST_REFLECTION_S = (0.002, 0.012)


def room_response(sample_rate_hz: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """The impulse response of a random room, the direct sound at its first sample.

    Noise that decays by 60 dB in the reverberation time, from the first reflection on, behind the
    direct sound; the energies of both stand in the direct-to-reverberant ratio.

    Args:
        sample_rate_hz: of the response.
        rng: draws reverberation time, ratio, first reflection and noise.

    Returns:
        shape (n,), the direct sound has the amplitude 1.

    Source: J. D. Polack, "La transmission de l'énergie sonore dans les salles", 1988.
    """
    n = round(_SECONDS * sample_rate_hz)
    time_s = np.arange(n) / sample_rate_hz
    decay = 10 ** (-3 * time_s / rng.uniform(*REVERBERATION_S))
    tail = rng.standard_normal(n) * decay
    tail[: round(rng.uniform(*_FIRST_REFLECTION_S) * sample_rate_hz)] = 0
    ratio = 10 ** (rng.uniform(*_DIRECT_TO_REVERBERANT_DB) / 10)
    tail *= np.sqrt(1 / ratio / np.sum(np.square(tail)))
    tail[0] = 1
    return tail.astype(np.float32)


def recorded_response(recording: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """A measured impulse response as `room_response` gives them: from the direct sound on, that one being 1.

    Args:
        recording: of the response, shape (m,).
        sample_rate_hz: of the recording.

    Returns:
        shape (n,); n is about half a second or less, zeros if the recording is silent.
    """
    direct = int(np.abs(recording).argmax())
    response = recording[direct : direct + round(_SECONDS * sample_rate_hz)]
    return (response / response[0] if response[0] else response).astype(np.float32)


def in_room(clip: NDArray[np.float32], response: NDArray[np.float32]) -> NDArray[np.float32]:
    """The clip as it is heard in a room: shape kept, as loud as before; what rings on is cut off.

    Args:
        clip: shape (n,).
        response: of the room, shape (m,).
    """
    size = 1 << (len(clip) + len(response) - 2).bit_length()
    wet = np.fft.irfft(np.fft.rfft(clip, size) * np.fft.rfft(response, size), size)[: len(clip)]
    energy = float(np.dot(wet, wet))
    gain = np.sqrt(float(np.dot(clip, clip)) / energy) if energy else 0.0
    return (wet * gain).astype(np.float32)
