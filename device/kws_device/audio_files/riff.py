"""Checks the sizes in a WAV header against the file (RIFF, Multimedia Programming Interface 1.0).

Whoever writes a wav puts them there at the end, since they are not known before. A recorder that dies
leaves zeros, a program that writes to a pipe leaves a placeholder.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_RIFF_SIZE_AT = 4
_FIRST_CHUNK_AT = 12
_CHUNK_HEADER_BYTES = 8
_SIZE_BYTES = 4
_MOST_CHUNKS = 1000
_PLACEHOLDERS = (0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFF24)
"""Sizes that stand for an unknown one; the last is what arecord begins with."""


@dataclass(frozen=True)
class WavSizes:
    """What a wav file says about its size. All in bytes."""

    file_size: int
    riff_size: int
    """Of all behind this very number."""
    data_at: int | None
    """Where the samples begin; None: nothing says where."""
    data_size: int
    """Of the samples."""
    ends_in_chunks: bool
    """Whether what stands behind the samples are chunks, up to the end of the file."""

    @property
    def is_cut(self) -> bool:
        """Whether the file goes on after its end, as its header says."""
        known = self.riff_size not in (0, *_PLACEHOLDERS)
        return known and self.riff_size + _CHUNK_HEADER_BYTES > self.file_size + 1  # one byte of padding

    @property
    def missing_at(self) -> int | None:
        """Where the header says that there are no samples, though there are; None: it does not say so."""
        if self.data_at is None or self.data_size or self.ends_in_chunks:
            return None
        return self.data_at - _SIZE_BYTES

    @property
    def is_unfinished(self) -> bool:
        """Whether the sizes were never put into the header."""
        return self.missing_at is not None or (self.riff_size == 0 and self.data_at is not None)


def read_sizes(file: BinaryIO) -> WavSizes | None:
    """The sizes of a wav file, opened for reading; None: it is no wav file."""
    file.seek(0)
    head = file.read(_FIRST_CHUNK_AT)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return None
    file_size = file.seek(0, os.SEEK_END)
    (riff_size,) = struct.unpack_from("<I", head, _RIFF_SIZE_AT)
    at, data_at, data_size = _FIRST_CHUNK_AT, None, 0
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        chunk = file.read(_CHUNK_HEADER_BYTES)
        if len(chunk) < _CHUNK_HEADER_BYTES or not chunk[:4].decode("latin-1").isprintable():
            break
        (size,) = struct.unpack_from("<I", chunk, 4)
        at += _CHUNK_HEADER_BYTES
        if chunk[:4] == b"data" and data_at is None:
            data_at, data_size = at, size
        at += size + size % 2
    # The last chunk may lack its byte of padding.
    return WavSizes(file_size, riff_size, data_at, data_size, file_size <= at <= file_size + 1)


class Repaired(io.FileIO):
    """A wav file without the size of its samples, read as if they went on to its end."""

    def __init__(self, path: Path, missing_at: int) -> None:
        """`missing_at` is where the size should stand (WavSizes)."""
        super().__init__(path)
        self._sizes_at = (_RIFF_SIZE_AT, missing_at)

    def readinto(self, buffer: Any) -> int:
        """See io.RawIOBase."""
        at = self.tell()
        n = super().readinto(buffer) or 0
        view = memoryview(buffer).cast("B")
        for size_at in self._sizes_at:
            for i in range(max(0, size_at - at), min(n, size_at - at + _SIZE_BYTES)):
                view[i] = 0xFF  # all of them: a size that is not known
        return n
