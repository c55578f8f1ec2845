"""A sweep whose start is found in a recording to the sample, by a matched filter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHIRP_S = 0.3
_SWEEP_HZ = (400.0, 6000.0)
"""What the smallest loudspeakers play, below half of every rate that the kit records at."""
_AMPLITUDE = 0.5
_FADED_SHARE = 0.1
"""Of the chirp, at each end: loudspeakers do not start and stop at once."""
_STANDS_OUT = 8.0
"""The filter's peak over its root mean square: steady noise does not reach 6 in a minute, a chirp as loud as
the noise reaches 60. Speech and thunder reach 20 now and then, but not twice at the right distance."""
_DRIFT = 5e-4
"""The clocks of two sound cards differ by less than this."""
_JITTER_S = 0.002
"""What sound servers lose or put in is longer."""
_AROUND_S = 0.2
"""Where the second chirp is looked for."""


def chirp(rate_hz: int) -> NDArray[np.float32]:
    """A linear sweep, shape (n,), full scale is 1.0. At another rate it is the same sound."""
    t = np.arange(round(CHIRP_S * rate_hz)) / rate_hz
    low, high = _SWEEP_HZ
    phase = 2 * np.pi * (low * t + (high - low) * t**2 / (2 * CHIRP_S))
    fade = np.clip(np.minimum(t, CHIRP_S - t) / (_FADED_SHARE * CHIRP_S), 0, 1)
    faded: NDArray[np.float64] = _AMPLITUDE * np.sin(phase) * np.sin(np.pi / 2 * fade) ** 2
    return faded.astype(np.float32)


def find(recording: NDArray[np.float32], rate_hz: int) -> int | None:
    """The sample at which a chirp begins in a recording, shape (n,); None where there is none.

    Of several, the loudest. Turned over by its way, it is found as well.

    Source: the matched filter, by the correlation theorem.
    """
    wanted = chirp(rate_hz)
    if len(recording) < len(wanted):
        return None
    size = 1 << (len(recording) + len(wanted) - 1).bit_length()
    product = np.fft.rfft(recording, size) * np.fft.rfft(wanted, size).conj()
    matched = np.abs(np.fft.irfft(product, size)[: len(recording) - len(wanted) + 1])
    at = int(matched.argmax())
    usual = float(np.sqrt(np.mean(np.square(matched))))
    return at if matched[at] > _STANDS_OUT * usual else None


def find_pair(recording: NDArray[np.float32], rate_hz: int, apart_s: float) -> int | None:
    """The sample at which the first of two chirps begins; None where the second is not in its place.

    Args:
        recording: shape (n,).
        rate_hz: of the recording.
        apart_s: from the beginning of one to that of the other, as they were played.
    """
    apart, around = round(apart_s * rate_hz), round(_AROUND_S * rate_hz)
    first = find(recording[: max(0, len(recording) - apart)], rate_hz)
    if first is None:
        return None
    begin = max(0, first + apart - around)
    second = find(recording[begin : first + apart + round(CHIRP_S * rate_hz) + around], rate_hz)
    if second is None:
        return None
    gap_s = abs(begin + second - first - apart) / rate_hz
    return first if gap_s <= _JITTER_S + _DRIFT * apart_s else None
