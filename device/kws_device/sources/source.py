"""The interface of sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

LISTENING = "listening"


class AudioSource(Protocol):
    """An iterator of blocks with a sample clock.

    The clock never stops: sound that was lost is delivered as silence of its length, so that times
    counted in samples stay right.
    """

    name: str
    """What events call it."""
    audio_s: float
    """Sound delivered so far."""
    lost_s: float
    """Sound that was there but could not be delivered; silence took its place."""
    state: str
    """For people: `listening`, or what keeps it from that."""

    def blocks(self, sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
        """float32, mono, shape (n,), full scale is 1.0, any n, at the rate asked for."""
        ...
