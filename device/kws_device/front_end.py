"""The front end: log-mel spectrograms of a whole clip, or of its newest frames."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._support.schema import check_range

_LARGEST_FRAMES = 1 << 22
"""Most samples in all frames of a clip (32 MB of doubles). Ten seconds at 48 kHz have 1.2 million."""
_WHOLE = 1e-6
"""Tolerance for whole numbers, since settings are written with nine digits."""


@dataclass(frozen=True)
class MelConfig:
    """How a second of sound becomes numbers. Travels inside every model file."""

    sample_rate_hz: int
    """Rate of the samples that the front end is fed."""
    clip_ms: float
    """How much sound the model sees at once."""
    window_ms: float
    """Length of the Hann window, also the FFT length."""
    hop_ms: float
    """From the start of one frame to the start of the next."""
    mels: int
    """Number of mel bands."""
    fmin_hz: float
    """Lower edge of the lowest band."""
    fmax_hz: float
    """Upper edge of the highest band."""
    floor_db: float
    """Anything quieter, digital silence too, counts as this level."""
    top_db: float
    """Anything so far below the loudest of the sound that is looked at counts as that; 0: no such floor."""
    centred: bool
    """Whether frames are centred on their hops, zeros around the sound, rather than begin at them."""

    def __post_init__(self) -> None:
        """Raises ValueError for settings that describe no front end, or one that no device can compute."""
        # A model file may come from a stranger: these bound the memory and the time that it can ask for.
        check_range("sample_rate_hz", self.sample_rate_hz, 4_000, 192_000)
        check_range("clip_ms", self.clip_ms, 50, 10_000)
        check_range("window_ms", self.window_ms, 1, 250)
        check_range("hop_ms", self.hop_ms, 1, 250)
        check_range("mels", self.mels, 1, 256)
        check_range("floor_db", self.floor_db, -200, 0)
        check_range("top_db", self.top_db, 0, 200)
        if not 0 < self.hop_ms <= self.window_ms <= self.clip_ms:
            raise ValueError("hop_ms, window_ms and clip_ms must grow in this order, from above zero")
        if not 0 <= self.fmin_hz < self.fmax_hz <= self.sample_rate_hz / 2:
            raise ValueError("0 <= fmin_hz < fmax_hz <= half of sample_rate_hz must hold")
        hop, whole = self.sample_rate_hz * self.hop_ms / 1000, self.hop_samples
        if self.incremental and abs(hop - whole) > _WHOLE:
            # A decision's step would be no whole number of hops, and frames kept from earlier ones would not
            # lie where those of the newest clip do.
            raise ValueError(
                f"hop_ms {self.hop_ms:g} is {hop:.9g} samples at {self.sample_rate_hz} Hz; frames that are "
                f"kept need a whole number: {1000 * whole / self.sample_rate_hz:.9g} is {whole}"
            )
        if self.frames * self.window_samples > _LARGEST_FRAMES:
            raise ValueError(
                f"{self.frames} frames of {self.window_samples} samples are more than {_LARGEST_FRAMES} "
                "samples; lengthen hop_ms, or shorten clip_ms"
            )

    @functools.cached_property
    def clip_samples(self) -> int:
        """Samples that the model sees at once."""
        return round(self.sample_rate_hz * self.clip_ms / 1000)

    @functools.cached_property
    def window_samples(self) -> int:
        """Samples of one frame."""
        return round(self.sample_rate_hz * self.window_ms / 1000)

    @functools.cached_property
    def hop_samples(self) -> int:
        """Samples from frame to frame."""
        return round(self.sample_rate_hz * self.hop_ms / 1000)

    @property
    def frames(self) -> int:
        """Frames of a clip."""
        return self.frames_of(self.clip_samples)

    @property
    def incremental(self) -> bool:
        """Whether a frame is the same in every clip that holds it, so that a hop needs only new ones."""
        return not self.centred and self.top_db == 0

    @functools.cached_property
    def _tables(self) -> tuple[NDArray[np.float64], list[_Bank], float]:
        """The window function, the mel filters, and the floor as a power."""
        return _hann(self.window_samples), _banks(mel_filters(self)), 10 ** (self.floor_db / 10)

    def frames_of(self, samples: int) -> int:
        """Frames of so many samples; uncentred, only whole ones."""
        covered = samples + 2 * (self.window_samples // 2) if self.centred else samples
        return 1 + (covered - self.window_samples) // self.hop_samples

    def frames_in(self, ms: float) -> int:
        """Frames of so many milliseconds, as `frames_of`."""
        return self.frames_of(round(self.sample_rate_hz * ms / 1000))

    def span_samples(self, frames: int) -> int:
        """Samples that `frames` consecutive frames cover."""
        return (frames - 1) * self.hop_samples + self.window_samples


@dataclass(frozen=True)
class Normalisation:
    """Turns decibels into the network's input, band by band. Travels inside every model file."""

    mean_db: tuple[float, ...]
    """Of the training split, one per mel band."""
    std_db: tuple[float, ...]
    """Of the training split, one per mel band."""

    def __post_init__(self) -> None:
        """Raises ValueError for what are no decibels."""
        for mean, std in zip(self.mean_db, self.std_db, strict=False):
            check_range("mean_db", mean, -1000, 1000)
            check_range("std_db", std, 1e-6, 1000)

    @functools.cached_property
    def _arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return np.asarray(self.mean_db, np.float32), np.asarray(self.std_db, np.float32)

    def apply(self, mels: NDArray[np.float32], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """(dB - mean) / std, shape (..., mels); written to `out` where one is given."""
        mean, std = self._arrays
        out = np.subtract(mels, mean, out=out)
        return np.divide(out, std, out=out)


def silent_frame(config: MelConfig, normalisation: Normalisation) -> NDArray[np.float32]:
    """A frame of digital silence, normalised, shape (mels,)."""
    return normalisation.apply(np.full(config.mels, config.floor_db, dtype=np.float32))


def _mel_from_hz(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Slaney's Auditory Toolbox scale: linear below 1 kHz, 27 steps per factor 6.4 above."""
    hz = np.asarray(hz, dtype=np.float64)
    linear = hz * 3 / 200
    return np.where(hz < 1000, linear, 15 + 27 * np.log(np.maximum(hz, 1e-9) / 1000) / np.log(6.4))


def _hz_from_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))


def mel_filters(config: MelConfig) -> NDArray[np.float64]:
    """Triangular mel filters of unit area, shape (window // 2 + 1, mels).

    Source: Slaney-style filters as librosa.filters.mel(htk=False, norm="slaney").
    """
    bins = np.arange(config.window_samples // 2 + 1) * config.sample_rate_hz / config.window_samples
    edges = _edges_hz(config)
    width = np.diff(edges)
    distance = edges[None, :] - bins[:, None]
    rising = -distance[:, :-2] / width[:-1]
    falling = distance[:, 2:] / width[1:]
    filters: NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])
    return filters


def mel_centres_hz(config: MelConfig) -> NDArray[np.float64]:
    """The frequency at which each mel filter is highest, in Hz, shape (mels,)."""
    return _edges_hz(config)[1:-1]


def _edges_hz(config: MelConfig) -> NDArray[np.float64]:
    """Where the mel filters begin, are highest and end, each where its neighbours do, shape (mels + 2,)."""
    return _hz_from_mel(
        np.linspace(_mel_from_hz(config.fmin_hz), _mel_from_hz(config.fmax_hz), config.mels + 2)
    )


_Bank = tuple[slice, slice, NDArray[np.float64]]
"""Bins, bands, and the filters that lead from these to those."""


def _banks(filters: NDArray[np.float64]) -> list[_Bank]:
    """The narrow filters and the wide ones, each without the bins that none of them hears."""
    narrow = filters.shape[1] * 2 // 3
    banks = []
    for bands in (slice(0, narrow), slice(narrow, filters.shape[1])):
        heard = np.flatnonzero(filters[:, bands].any(axis=1))
        if len(heard):
            bins = slice(heard[0], heard[-1] + 1)
            banks.append((bins, bands, np.ascontiguousarray(filters[bins, bands])))
    return banks


def _hann(n: int) -> NDArray[np.float64]:
    """Periodic Hann window, as the short-time Fourier transform wants it."""
    window: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    return window


class Workspace:
    """What `log_mel` computes in; kept from call to call it spares their allocation. For one thread."""

    def __init__(self, config: MelConfig, frames: int) -> None:
        """Room for so many frames at a time."""
        bins = config.window_samples // 2 + 1
        self.windowed = np.empty((frames, config.window_samples))
        self.power = np.empty((frames, bins))
        self.imaginary = np.empty((frames, bins))
        self.mel = np.zeros((frames, config.mels))  # bands that no bin reaches stay empty
        # NumPy 1 transforms into new arrays alone.
        self.into: dict[str, Any] = {}
        if not np.__version__.startswith("1."):
            self.into["out"] = np.empty((frames, bins), np.complex128)


def log_mel(
    samples: NDArray[np.floating[Any]], config: MelConfig, workspace: Workspace | None = None
) -> NDArray[np.float32]:
    """Log-mel spectrogram in dB.

    float64 inside: a float32 transform is off by up to 0.03 dB on full-scale tones.

    Args:
        samples: mono, shape (n,) or (clips, n), full scale is 1.0.
        config: the front end of the model that will read the result.
        workspace: for as many frames; None: one of its own.

    Returns:
        shape (frames, mels) or (clips, frames, mels), dB re full scale squared, not below
        `floor_db`, nor further below the clip's maximum than `top_db`;
        frames = 1 + (n - window) // hop, or 1 + n // hop where they are centred.

    Raises:
        ValueError: fewer samples than one window, or a sample that is not finite.

    Source: librosa.power_to_db(librosa.feature.melspectrogram()), Slaney-style filters, zeros around
    the sound where frames are centred.
    """
    if config.frames_of(samples.shape[-1]) < 1:
        raise ValueError(f"{samples.shape[-1]} samples are fewer than one window of {config.window_samples}")
    if samples.ndim == 2:
        # Clip by clip stays in the processor's cache: twice as fast as all at once.
        shared = Workspace(config, config.frames_of(samples.shape[-1]))
        return np.stack([log_mel(clip, config, shared) for clip in samples])
    window, hop = config.window_samples, config.hop_samples
    hann, banks, floor = config._tables
    if config.centred:
        samples = np.pad(samples, window // 2)
    samples = np.ascontiguousarray(samples)
    size = samples.itemsize
    # The view that sliding_window_view(samples, window)[::hop] is, at a twentieth of its cost.
    frames: NDArray[Any] = np.ndarray(
        (1 + (len(samples) - window) // hop, window), samples.dtype, samples.data, 0, (hop * size, size)
    )
    # Only finite samples have a finite sum of squares, but for some that no microphone delivers.
    if not math.isfinite(np.dot(samples, samples)):
        raise ValueError("a sample is not a finite number")
    work = workspace or Workspace(config, len(frames))
    spectrum = np.fft.rfft(np.multiply(frames, hann, out=work.windowed), **work.into)
    power = np.square(spectrum.real, out=work.power)
    power += np.square(spectrum.imag, out=work.imaginary)
    mel = work.mel
    for bins, bands, filters in banks:
        np.matmul(power[:, bins], filters, out=mel[:, bands])
    np.maximum(mel, floor, out=mel)
    np.log10(mel, out=mel)
    mel *= 10
    if config.top_db:
        np.maximum(mel, mel.max() - config.top_db, out=mel)
    return mel.astype(np.float32)
