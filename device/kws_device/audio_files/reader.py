"""Reading sound files: any format that libsndfile knows, any usual rate, any usual number of channels."""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from .._support.errors import InputError
from .._support.native_stderr import quiet_libraries
from .._support.untrusted_text import printable
from . import riff
from .container import inspect

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")

_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 4_000, 768_000
"""From less than a telephone's to the highest that converters are sold with."""
_MOST_CHANNELS = 64
_LARGEST_SAMPLE = 2.0**31
"""Integers that were stored as floating point without scaling do not exceed it."""
_LONGEST_WHOLE_S = 4 * 3600
"""Of a file that is kept in memory, 0.9 GB at 16 kHz: a small file may unpack to any length."""
_UNKNOWN_LENGTH = 2**63 - 1
"""What libsndfile tells of a FLAC file that was written into a pipe."""
_BLOCK_S = 1.0
_LARGEST_BLOCK = 1 << 20
"""Samples of all channels: a second of the highest rate, or of twenty channels at 48 kHz."""
_LOG = logging.getLogger(__name__)


def blocks(path: Path, sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """The file's sound in blocks of at most about a second: mono (mean of the channels), resampled.

    A wav file whose sizes were never written, since its recorder died, is read to its end. A warning tells
    so, once for each file. So is a FLAC file that was written into a pipe, without its length.

    Yields:
        float32, shape (n,), full scale is 1.0.

    Raises:
        InputError: missing, empty, not audio, truncated, a rate outside 4 to 768 kHz, more than 64 channels,
            or a sample that is not finite or beyond 2**31.
    """
    with _opened(path) as (file, samples):
        rate, channels = file.samplerate, file.channels
        most = min(round(rate * _BLOCK_S), _LARGEST_BLOCK // channels)
        resampler = soxr.ResampleStream(rate, sample_rate_hz, 1) if rate != sample_rate_hz else None
        left = samples
        while left > 0:
            try:
                with _quiet(path):
                    block = file.read(min(left, most), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise InputError(f"{path}: damaged ({_reason(error)}); copy or record it again") from error
            left -= len(block)
            if len(block) == 0 and samples == _UNKNOWN_LENGTH:
                left = 0
            elif len(block) == 0:
                raise InputError(f"{path}: truncated, {left} samples are missing; copy or record it again")
            _check_samples(path, block)
            mono = block.mean(axis=1, dtype=np.float32) if channels > 1 else block[:, 0]
            yield mono if resampler is None else resampler.resample_chunk(mono, last=left <= 0)


def read(path: Path, sample_rate_hz: int) -> NDArray[np.float32]:
    """The whole file: float32, shape (n,), mono, resampled.

    Raises:
        InputError: as `blocks`, or the sound is longer than four hours.
    """
    kept, samples = [np.zeros(0, dtype=np.float32)], 0
    for block in blocks(path, sample_rate_hz):
        kept.append(block)
        samples += len(block)
        if samples > _LONGEST_WHOLE_S * sample_rate_hz:
            raise InputError(f"{path}: longer than {_LONGEST_WHOLE_S // 3600} hours; cut it into pieces")
    return np.concatenate(kept)


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that is read from its beginning to its end.

    soundfile seeks to where it stands after each block. In an MP3 file a seek drops what earlier frames have
    saved for later ones, and the sound is damaged there.
    """

    def seekable(self) -> bool:
        """No: nothing here seeks."""
        return False


@contextmanager
def _opened(path: Path) -> Iterator[tuple[_Forward, int]]:
    """The open file and the number of its samples in each channel. Raises InputError as `blocks`."""
    container = inspect(path)
    wav, frames = container.wav, container.mp3
    missing_at = wav.missing_at if wav else None
    with nullcontext(os.fsencode(path)) if missing_at is None else riff.Repaired(path, missing_at) as source:
        try:
            with _quiet(path):
                file = _Forward(source)
        except soundfile.LibsndfileError as error:
            raise InputError(_unreadable(path, error)) from error
        with file:
            if not _LOWEST_RATE_HZ <= file.samplerate <= _HIGHEST_RATE_HZ:
                raise InputError(
                    f"{path}: a rate of {file.samplerate} Hz; must lie between "
                    f"{_LOWEST_RATE_HZ} and {_HIGHEST_RATE_HZ} Hz, resample or record it again"
                )
            if file.channels > _MOST_CHANNELS:
                raise InputError(
                    f"{path}: {file.channels} channels; at most {_MOST_CHANNELS} are read, leave some out"
                )
            if wav and wav.is_unfinished:
                _warn_unfinished(path)
            # Where no frame counts the others, libsndfile estimates the length of an MP3, mostly too long.
            yield file, min(file.frames, frames.samples) if frames else file.frames


def _quiet(path: Path) -> AbstractContextManager[None]:
    """For calls of libsndfile: libmpg123 tells standard error about frames that it plays nevertheless."""
    return quiet_libraries() if path.suffix.lower() == ".mp3" else nullcontext()


def _check_samples(path: Path, block: NDArray[np.float32]) -> None:
    peak = float(np.abs(block).max(initial=0))
    if not peak <= _LARGEST_SAMPLE:  # nor where it is no number
        what = f"of {peak:.3g}, full scale is 1" if math.isfinite(peak) else "that is not a finite number"
        raise InputError(f"{path}: has a sample {what}; record it again")


@functools.lru_cache(maxsize=4096)
def _warn_unfinished(path: Path) -> None:
    """Once for each file."""
    _LOG.warning(
        "%s: its length was never written, did the recorder die? read to its end", printable(str(path))
    )


def _unreadable(path: Path, error: soundfile.LibsndfileError) -> str:
    """Why libsndfile cannot read a file, and what to do about it."""
    for suffix, is_known, first in (
        (".mp3", "MP3" in soundfile.available_formats(), "1.1.0"),
        (".opus", "OPUS" in soundfile.available_subtypes("OGG"), "1.0.29"),
    ):
        if path.suffix.lower() == suffix and not is_known:
            version = soundfile.__libsndfile_version__
            return (
                f"{path}: libsndfile {version} does not read {suffix}; install {first} or newer "
                "(pip install --upgrade soundfile), or convert the file to flac"
            )
    return f"{path}: not audio that can be read ({_reason(error)}); use wav, flac, ogg, opus or mp3"


def _reason(error: soundfile.LibsndfileError) -> str:
    """In libsndfile's words, without the path that it puts before them."""
    return str(error.error_string).rstrip(".")
