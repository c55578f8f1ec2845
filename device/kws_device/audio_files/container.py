"""Checks the size that a sound file's header states against the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .._support.errors import InputError
from . import mp3, riff

_OGG_TAIL_BYTES = 1 << 17  # two of the largest possible pages


@dataclass(frozen=True)
class Container:
    """What a file's container tells that libsndfile does not."""

    wav: riff.WavSizes | None
    """None: it is no wav file."""
    mp3: mp3.Frames | None
    """None: it is no MP3."""


def inspect(path: Path) -> Container:
    """Read what the container says of its size, and hold it against the file. Raises InputError.

    libsndfile plays files that were cut to where they end, and says nothing. flac is left to the decoder,
    which knows how many samples must come.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise InputError(f"{path}: empty; record or copy it again")
        if path.is_dir():
            raise InputError(f"{path}: a folder; name a sound file")
        with path.open("rb") as file:
            wav = riff.read_sizes(file)
            frames = mp3.scan(file, size) if wav is None else None
            is_cut = _is_cut_ogg(file, size)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a sound file") from error
    if is_cut or (wav and wav.is_cut) or (frames and frames.is_cut):
        raise InputError(f"{path}: truncated; copy or record it again")
    if frames and frames.damaged_at is not None:
        raise InputError(f"{path}: damaged at byte {frames.damaged_at}; copy it again, or convert it to flac")
    if frames and not frames.length_is_told:
        raise InputError(f"{path}: its header tells a wrong length or none; convert it to flac")
    return Container(wav, frames)


def _is_cut_ogg(file: BinaryIO, size: int) -> bool:
    file.seek(0)
    if file.read(4) != b"OggS":
        return False
    file.seek(max(0, size - _OGG_TAIL_BYTES))
    return not _ends_ogg(file.read())


def _ends_ogg(tail: bytes) -> bool:
    """Whether the last page is marked as the stream's last and is all there (RFC 3533, section 6)."""
    start = tail.rfind(b"OggS")
    if start < 0 or len(tail) < start + 27:
        return False
    segments = tail[start + 26]
    table = tail[start + 27 : start + 27 + segments]
    whole = len(table) == segments and len(tail) >= start + 27 + segments + sum(table)
    return bool(tail[start + 5] & 4) and whole
