"""Sources that read sound files and pipes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from .. import audio_files
from .._support.errors import InputError
from ..levels import as_float
from .source import LISTENING

_TAIL_S = 0.5
"""Silence behind the end, so that a word at the very end is still heard whole."""


def _above_zero(block_ms: float) -> float:
    if not block_ms > 0:
        raise InputError(f"--block-ms {block_ms:g}: must be above zero")
    return block_ms


class AudioFile:
    """A sound file, then half a second of silence."""

    def __init__(self, path: str | Path, block_ms: float = 100.0, real_time: bool = False) -> None:
        """Deliver blocks of `block_ms`, as fast as they are taken or as fast as they were recorded.

        Raises:
            InputError: `block_ms` is not above zero.
        """
        self.name = str(path)
        self.audio_s = 0.0
        self.lost_s = 0.0
        self.state = LISTENING
        self._path = Path(path)
        self._block_ms = _above_zero(block_ms)
        self._real_time = real_time

    def blocks(self, sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
        """See AudioSource. Raises InputError where the file cannot be read."""
        size = max(1, round(self._block_ms / 1000 * sample_rate_hz))
        began = time.monotonic()
        delivered = 0
        for recorded in audio_files.blocks(self._path, sample_rate_hz):
            for start in range(0, len(recorded), size):
                block = recorded[start : start + size]
                delivered += len(block)
                if self._real_time:
                    time.sleep(max(0.0, began + delivered / sample_rate_hz - time.monotonic()))
                yield block
                self.audio_s = delivered / sample_rate_hz
        tail = np.zeros(round(_TAIL_S * sample_rate_hz), dtype=np.float32)
        for start in range(0, len(tail), size):
            yield tail[start : start + size]


class RawStream:
    """Raw samples from a pipe: signed 16 bit, little endian, mono, at the model's rate."""

    def __init__(self, stream: BinaryIO, name: str, block_ms: float = 100.0) -> None:
        """Read `stream` in blocks of `block_ms`; raises InputError where that is not above zero."""
        self.name = name
        self.audio_s = 0.0
        self.lost_s = 0.0
        self.state = LISTENING
        self._stream = stream
        self._block_ms = _above_zero(block_ms)

    def blocks(self, sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
        """See AudioSource. Raises InputError where the stream cannot be read."""
        size = max(1, round(self._block_ms / 1000 * sample_rate_hz))
        half = b""  # of a sample whose second byte has not come yet
        while content := self._read(2 * size - len(half)):
            content = half + content
            whole = len(content) & ~1
            half = content[whole:]
            block = as_float(np.frombuffer(content[:whole], dtype="<i2"))
            yield block
            self.audio_s += len(block) / sample_rate_hz
        yield np.zeros(round(_TAIL_S * sample_rate_hz), dtype=np.float32)

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as error:
            raise InputError(
                f"{self.name}: cannot be read ({error.strerror}); pipe raw sound into it"
            ) from error
