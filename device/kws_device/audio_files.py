"""Reading sound files: any format that libsndfile knows, any rate, any number of channels."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from .errors import InputError
from .quiet import quiet_libraries

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
_MP3 = ".mp3"
_BLOCK_S = 1.0
_OGG_TAIL = 1 << 17  # two of the largest possible pages


def blocks(path: Path, sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """The file's sound in blocks of about a second: mono (mean of the channels), resampled.

    Yields:
        float32, shape (n,), full scale is 1.0.

    Raises:
        InputError: missing, empty, not audio, truncated, or with samples that are not finite.
    """
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path}: empty; record or copy it again")
        if path.is_dir():
            raise InputError(f"{path}: a folder; name a sound file")
        if _is_cut(path):
            raise InputError(f"{path}: truncated; copy or record it again")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a sound file") from error
    try:
        file = _Forward(path)
    except soundfile.LibsndfileError as error:
        known = "wav, flac, ogg, opus or mp3"
        raise InputError(f"{path}: not audio that can be read ({error}); use {known}") from error
    # libmpg123 tells standard error about frames that it plays nevertheless.
    quiet = quiet_libraries if path.suffix.lower() == _MP3 else nullcontext
    with file:
        rate = file.samplerate
        resampler = soxr.ResampleStream(rate, sample_rate_hz, 1) if rate != sample_rate_hz else None
        left = file.frames
        while left > 0:
            try:
                with quiet():
                    block = file.read(min(left, round(rate * _BLOCK_S)), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise InputError(f"{path}: damaged ({error}); copy or record it again") from error
            left -= len(block)
            if len(block) == 0:
                raise InputError(f"{path}: truncated, {left} samples are missing; copy or record it again")
            if not np.isfinite(block).all():
                raise InputError(f"{path}: has a sample that is not a finite number; record it again")
            mono = block.mean(axis=1, dtype=np.float32) if block.shape[1] > 1 else block[:, 0]
            yield mono if resampler is None else resampler.resample_chunk(mono, last=left <= 0)


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read from its beginning to its end.

    soundfile seeks to where it stands after each block. In an MP3 file a seek drops what earlier frames have
    saved for later ones, and the sound is damaged there.
    """

    def seekable(self) -> bool:
        """No: nothing here seeks."""
        return False


def read(path: Path, sample_rate_hz: int) -> NDArray[np.float32]:
    """The whole file: float32, shape (n,), mono, resampled. Raises InputError as `blocks`."""
    return np.concatenate([np.zeros(0, dtype=np.float32), *blocks(path, sample_rate_hz)])


def _is_cut(path: Path) -> bool:
    """Whether the container says that it goes on after the end of the file.

    libsndfile plays such files to where they end and says nothing. flac is left to the decoder,
    which knows how many samples must come.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b"RIFF" and head[8:] == b"WAVE":
            # Programs that write to a pipe cannot know the size and leave one of these.
            declared = struct.unpack("<I", head[4:8])[0]
            return declared not in (0, 0xFFFFFFFF, 0x7FFFFFFF) and declared + 8 > size + 1
        if head[:4] == b"OggS":
            file.seek(max(0, size - _OGG_TAIL))
            return not _ends_ogg(file.read())
    return False


def _ends_ogg(tail: bytes) -> bool:
    """Whether the last page is marked as the stream's last and is all there (RFC 3533, section 6)."""
    start = tail.rfind(b"OggS")
    if start < 0 or len(tail) < start + 27:
        return False
    segments = tail[start + 26]
    table = tail[start + 27 : start + 27 + segments]
    whole = len(table) == segments and len(tail) >= start + 27 + segments + sum(table)
    return bool(tail[start + 5] & 4) and whole
