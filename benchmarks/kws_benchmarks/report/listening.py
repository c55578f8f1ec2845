"""Mistakes in a page: their sound, and the spectrogram that the model saw."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from kws_device.front_end import MelConfig, log_mel

from ..robustness.mistakes import Mistake

_PEAK = 0.7
_MOST_GAIN = 30.0
_SHOWN_DB = 60.0
"""From the loudest to the darkest colour."""


@dataclass(frozen=True)
class Heard:
    """A mistake to look at and to listen to."""

    mistake: Mistake
    audio: str
    """A data: URI of flac, which every browser plays."""
    spectrogram: str
    """A data: URI of a PNG, a pixel for each frame and band."""


def to_hear(mistakes: Sequence[Mistake], front_end: MelConfig) -> Iterator[Heard]:
    """Each mistake with its sound, quiet ones made louder."""
    for mistake in mistakes:
        overlay, samples = mistake.item.overlay, mistake.item.samples
        samples = samples if overlay is None else overlay.samples
        yield Heard(
            mistake,
            _uri("audio/flac", _flac(samples, front_end.sample_rate_hz)),
            _uri("image/png", _picture(log_mel(samples, front_end))),
        )


def _flac(samples: NDArray[np.float32], sample_rate_hz: int) -> bytes:
    peak = float(np.max(np.abs(samples)))
    gain = min(_MOST_GAIN, _PEAK / peak) if peak else 1.0
    file = io.BytesIO()
    soundfile.write(file, samples * gain, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _picture(mels: NDArray[np.float32]) -> bytes:
    from matplotlib import image

    file = io.BytesIO()
    loudest: Any = mels.max()
    image.imsave(
        file, mels.T, vmin=loudest - _SHOWN_DB, vmax=loudest, cmap="magma", origin="lower", format="png"
    )
    return file.getvalue()


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
