"""Checks a microphone: level, clipping and noise of a few seconds, and what to change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .levels import dbfs, rms

_FRAME_S = 0.02
"""Short enough that some fall between two words, or two syllables."""
_NOISE_PERCENTILE = 10
"""Of the levels of frames: the pauses, which make up more than a tenth of any speech."""
_SPEECH_PERCENTILE = 95
"""The loud parts of the words, where a few were said; no single knock reaches it."""
_FULL_SCALE = 0.999
"""Samples above this are taken for clipped: converters stop a little short of 1.0."""

DEAD_DBFS = -90.0
"""The last bit of a 16-bit converter; every open microphone hisses louder."""
CLIPPED_SHARE = 1e-4
"""Two samples a second at 16 kHz: a peak that just touches clips fewer, a gain that is too high many more."""
QUIET_DBFS = -45.0
"""Speech below this comes within 20 dB of the noise of cheap converters, -70 to -60 dBFS."""
GOOD_SNR_DB = 20.0
"""At this ratio and above, the default model loses less than one word in a hundred to noise.

Source: docs/reference/results.md, 20 dB.
"""
USABLE_SNR_DB = 10.0
"""Down to this ratio it loses two words in a hundred, and below it many more.

Source: docs/reference/results.md, 10 dB.
"""
CLEARER_DB = 3.0
"""So much more signal-to-noise ratio makes another channel worth its option; less is chance."""
LARGE_OFFSET = 0.02
"""Of full scale, ten times what a sound card in order shows: it takes headroom, and hints at a fault."""


@dataclass(frozen=True)
class Channel:
    """What was found in one channel. Levels are relative to full scale, 1.0."""

    rms_dbfs: float
    """Without the offset."""
    peak_dbfs: float
    clipped_share: float
    """Of the samples, 0 to 1."""
    noise_dbfs: float
    """The level in the pauses."""
    speech_dbfs: float
    """The level of the loud parts."""
    offset: float
    """The mean of the samples (DC), -1 to 1."""
    dead: bool
    """Nothing but one value, or less than the last bit of a converter."""

    @property
    def snr_db(self) -> float:
        """How far the loud parts stand over the pauses."""
        return self.speech_dbfs - self.noise_dbfs


@dataclass(frozen=True)
class Findings:
    """What was found in a recording."""

    channels: tuple[Channel, ...]
    best: int
    """Counted from 0: the channel that is alive, clips least, and has the largest signal-to-noise ratio."""


def examine(samples: NDArray[np.float32], sample_rate_hz: int) -> Findings:
    """Measure a recording in which somebody spoke, a few seconds long.

    Args:
        samples: float32, shape (n, channels), full scale is 1.0.
        sample_rate_hz: of the recording.

    Raises:
        ValueError: no channel, or shorter than one frame of 20 ms, or a sample that is not finite.
    """
    frame = round(_FRAME_S * sample_rate_hz)
    if samples.ndim != 2 or samples.shape[1] == 0 or len(samples) < frame:
        raise ValueError(f"{samples.shape}: needs at least {frame} samples of at least one channel")
    if not np.isfinite(samples).all():
        raise ValueError("a sample is not finite")
    channels = tuple(_channel(samples[:, i].astype(np.float64), frame) for i in range(samples.shape[1]))
    best = max(range(len(channels)), key=lambda i: _worth(channels[i]))
    return Findings(channels, best)


def figures(findings: Findings) -> list[str]:
    """A line of numbers for each channel."""
    return [
        f"channel {i}: level {channel.rms_dbfs:.0f} dBFS, peak {channel.peak_dbfs:.0f} dBFS, "
        f"pauses {channel.noise_dbfs:.0f} dBFS, {100 * channel.clipped_share:.2f} % clipped"
        for i, channel in enumerate(findings.channels, 1)
    ]


def report(findings: Findings) -> list[str]:
    """The findings in plain words: which channel to use, then what to do about it. Channels count from 1."""
    channels, best = findings.channels, findings.channels[findings.best]
    if best.dead:
        return [
            "nothing but silence: see that the microphone is plugged in and not muted (alsamixer, F4, M), "
            "or choose another one (kws-listen --list-devices)"
        ]
    use = f"use --channel {findings.best + 1}"
    words = [f"channel {i} is dead: {use}" for i, channel in enumerate(channels, 1) if channel.dead]
    if not words and best.snr_db > channels[0].snr_db + CLEARER_DB:
        words.append(f"channel {findings.best + 1} is clearer than channel 1: {use}")
    if best.clipped_share > CLIPPED_SHARE:
        words.append("clips: lower the gain (alsamixer, F4), or speak from further away")
    if best.speech_dbfs < QUIET_DBFS:
        words.append(
            f"too quiet, speech at {best.speech_dbfs:.0f} dBFS: move closer or raise the gain (alsamixer, F4)"
        )
    if abs(best.offset) > LARGE_OFFSET:
        words.append(
            f"the middle lies at {100 * best.offset:+.0f} % of full scale instead of 0: "
            "the sound card or its plug has a fault"
        )
    return [*words, _speech_over_noise(best.snr_db)]


def _speech_over_noise(snr_db: float) -> str:
    over = f"speech stands {snr_db:.0f} dB over the noise"
    if snr_db >= GOOD_SNR_DB:
        return f"{over}: good"
    if snr_db >= USABLE_SNR_DB:
        return f"{over}: enough, but closer is better"
    return f"{over}: too little; if you did speak, move closer or away from the noise, else check again"


def _worth(channel: Channel) -> tuple[bool, bool, float]:
    return not channel.dead, channel.clipped_share <= CLIPPED_SHARE, channel.snr_db


def _channel(samples: NDArray[np.float64], frame: int) -> Channel:
    offset = float(samples.mean())
    centred = samples - offset
    frames = centred[: len(centred) // frame * frame].reshape(-1, frame)
    levels = [dbfs(float(level)) for level in np.sqrt(np.mean(np.square(frames), axis=1))]
    return Channel(
        rms_dbfs=dbfs(rms(centred)),
        peak_dbfs=dbfs(float(np.abs(samples).max())),
        clipped_share=float(np.mean(np.abs(samples) >= _FULL_SCALE)),
        noise_dbfs=float(np.percentile(levels, _NOISE_PERCENTILE)),
        speech_dbfs=float(np.percentile(levels, _SPEECH_PERCENTILE)),
        offset=offset,
        dead=dbfs(float(np.abs(centred).max())) < DEAD_DBFS,
    )
