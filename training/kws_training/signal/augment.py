"""Augmentation as an ordered list of named steps over a window of sound, or over its spectrogram.

A step is a pure function with a probability; a recipe gives both the probability and the function's range.
`augmented` alone decides which steps happen. The functions themselves are below the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
import soxr
from numpy.typing import NDArray

from ..data.segments import background_gain, from_db, power
from .reverb import in_room

T = TypeVar("T")
Sound = NDArray[np.float32]
"""Mono, full scale is 1.0."""

_KNOTS = 6
"""Points of a microphone's random response, evenly over the mel bands; straight lines between them."""
_HIGHEST_LOW_CUT = 0.2
_LOWEST_HIGH_CUT = 0.45
"""Of the mel bands; beyond it there is nothing."""
_VTLP_LIMIT = 0.6
"""Of the highest frequency: 4,800 of 8,000 Hz. The highest formants that matter lie below it."""
_SLOPE_DB = (2.0, 8.0)
"""By which each band beyond a cut is weaker than the one before."""


@dataclass(frozen=True)
class Step(Generic[T]):
    """One change that may happen to a `T`: a `Window`, or the mels of one."""

    name: str
    """Of the function that it calls, as people read it."""
    range: str
    """What it draws from, as people read it."""
    prob: float
    """How often it happens; from 1 on always, and then nothing is drawn for that."""
    change: Callable[[T, np.random.Generator], T]
    """Draws from the range, and calls the function."""
    kinds: frozenset[int] | None = None
    """The kinds of windows that it happens to; None: to all."""


@dataclass(frozen=True)
class Window:
    """A window of training on its way through the steps."""

    kind: int
    """What it holds, by its scheme's enumeration."""
    samples: Sound
    """Shape (n,); as long as the network's window once it has been placed."""
    label: int
    """Index of what the keyword head should say."""
    weight: float = 1.0
    """What it counts."""
    speech_power: float = 0.0
    """Mean square of the speech without padding, for signal-to-noise ratios."""
    scene: int | None = None
    """Index of the scene in the background, where it can be heard."""


Watch = Callable[[Step[T], T], None]
"""Is told each step that happened, and what came of it."""


def augmented(
    value: T,
    steps: Sequence[Step[T]],
    rng: np.random.Generator,
    kind: int | None = None,
    watch: Watch[T] | None = None,
) -> T:
    """What the steps, one after the other, make of a window or of its mels.

    Args:
        value: a `Window`, or mels of shape (frames, mels).
        steps: in their order.
        rng: decides which happen, and how.
        kind: of the window; steps for other kinds are passed over, and draw nothing.
        watch: is told what each step made of it.
    """
    for step in steps:
        if step.kinds is not None and kind not in step.kinds:
            continue
        if step.prob >= 1 or rng.random() < step.prob:
            value = step.change(value, rng)
            if watch is not None:
                watch(step, value)
    return value


def always(steps: Sequence[Step[T]]) -> list[Step[T]]:
    """The steps that can happen at all, each of which always does: to be looked at."""
    return [replace(step, prob=1.0) for step in steps if step.prob > 0]


def on_samples(change: Callable[[Sound, np.random.Generator], Sound]) -> Callable[[Window, Any], Window]:
    """A change of sound as a change of windows that leaves all else."""
    return lambda window, rng: replace(window, samples=change(window.samples, rng))


def speed_step(speed: float, kinds: frozenset[int]) -> Step[Window]:
    """Other speakers: sound played faster or slower by up to `speed`, a share."""

    def change(sound: Sound, rng: np.random.Generator) -> Sound:
        return speed_perturb(sound, float(np.exp(rng.uniform(-1, 1) * np.log1p(speed))))

    return Step("speed_perturb", f"±{speed:.0%}", float(speed > 0), on_samples(change), kinds)


def reverb_step(prob: float, responses: Sequence[Sound], kinds: frozenset[int]) -> Step[Window]:
    """A random one of these rooms."""

    def change(sound: Sound, rng: np.random.Generator) -> Sound:
        return in_room(sound, responses[int(rng.integers(len(responses)))])

    return Step("reverb", f"{len(responses)} rooms", prob, on_samples(change), kinds)


def gain_step(gain_db: float) -> Step[Window]:
    """Louder or softer by up to `gain_db`."""

    def change(sound: Sound, rng: np.random.Generator) -> Sound:
        return sound * random_gain(rng, -gain_db, gain_db)

    return Step("gain", f"±{gain_db:g} dB", 1.0, on_samples(change))


def clipping_step(prob: float) -> Step[Window]:
    """Cut off at full scale."""
    return Step("clipping", "at full scale", prob, on_samples(lambda sound, rng: np.clip(sound, -1, 1)))


def mic_eq_step(eq_std_db: float, band_limit_prob: float, floor_db: float) -> Step[NDArray[np.float32]]:
    """Another microphone for mels in dB, shape (frames, mels), of which none falls below `floor_db`."""

    def change(mels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        heard = mels + random_mic_eq(mels.shape[1], rng, eq_std_db, band_limit_prob)
        return heard.clip(floor_db)

    limits = f"{eq_std_db:g} dB, {band_limit_prob:.0%} band-limited"
    return Step("random_mic_eq", limits, 1.0, change)


def vtlp_step(vtlp: float, centres_hz: NDArray[np.float64]) -> Step[NDArray[np.float32]]:
    """Other speakers: a vocal tract shorter or longer by up to `vtlp`, for mels of shape (frames, mels)."""

    def change(mels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        return vocal_tract_perturb(mels, float(rng.uniform(1 - vtlp, 1 + vtlp)), centres_hz)

    return Step("vocal_tract_perturb", f"±{vtlp:.0%}", float(vtlp > 0), change)


def spec_augment_step(
    time_masks: int, time_mask_frames: int, mel_masks: int, mel_mask_bands: int
) -> Step[NDArray[np.float32]]:
    """Masks for normalised mels, shape (frames, mels); see `spec_augment`."""

    def change(mels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        return spec_augment(mels, rng, time_masks, time_mask_frames, mel_masks, mel_mask_bands)

    masks = f"{time_masks} x {time_mask_frames} frames, {mel_masks} x {mel_mask_bands} bands"
    return Step("spec_augment", masks, 1.0, change)


def speed_perturb(clip: Sound, by: float) -> Sound:
    """The clip played `by` times as fast, its pitch higher by as much; shape (n / by,).

    Source: Ko et al., "Audio augmentation for speech recognition", 2015.
    """
    return soxr.resample(clip, by, 1.0, quality="LQ")  # type: ignore[no-any-return]


def shifted(window: Sound, by: int) -> Sound:
    """The window moved `by` samples later (earlier if negative), zeros moving in; shape kept."""
    result = np.zeros_like(window)
    if abs(by) >= len(window):
        return result
    if by >= 0:
        result[by:] = window[: len(window) - by]
    else:
        result[:by] = window[-by:]
    return result


def over_background(speech: Sound, speech_power: float, background: Sound, snr_db: float) -> Sound:
    """Speech with a background at a signal-to-noise ratio; the speech alone where either is silent.

    Args:
        speech: shape (n,).
        speech_power: its mean square without padding.
        background: shape (n,).
        snr_db: of that mean square over the background's.
    """
    below = power(background)
    if not below or not speech_power:
        return speech
    return speech + background * np.float32(background_gain(speech_power, below, snr_db))


def random_gain(rng: np.random.Generator, least_db: float, most_db: float) -> np.float32:
    """A factor whose level lies between two, evenly in dB."""
    return np.float32(np.sqrt(from_db(rng.uniform(least_db, most_db))))


def random_mic_eq(
    mels: int, rng: np.random.Generator, eq_std_db: float, band_limit_prob: float
) -> NDArray[np.float32]:
    """Gains of the mel bands of a random microphone, in dB, shape (mels,).

    Args:
        mels: number of bands.
        rng: draws the response.
        eq_std_db: standard deviation of the gains at the knots of a smooth response.
        band_limit_prob: how often it hears no highs; and how often no lows.
    """
    bands = np.arange(mels)
    gains = np.interp(bands, np.linspace(0, mels - 1, _KNOTS), rng.normal(0, eq_std_db, _KNOTS))
    if rng.random() < band_limit_prob:
        gains -= rng.uniform(*_SLOPE_DB) * np.maximum(bands - rng.uniform(_LOWEST_HIGH_CUT, 1) * mels, 0)
    if rng.random() < band_limit_prob:
        gains -= rng.uniform(*_SLOPE_DB) * np.maximum(rng.uniform(0, _HIGHEST_LOW_CUT) * mels - bands, 0)
    return gains.astype(np.float32)


def vocal_tract_perturb(
    mels: NDArray[np.float32], by: float, centres_hz: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Mels of a voice whose formants lie `by` times as high, its pace and the loudness of its bands kept.

    Frequencies are multiplied by `by` up to a limit. Above it a straight line leads to half of the sample
    rate's place, here the highest band, which stays where it is.

    Args:
        mels: in dB, shape (frames, mels).
        by: from about 0.8 to 1.2.
        centres_hz: of the bands, shape (mels,).

    Returns:
        shape (frames, mels).

    Source: vocal tract length perturbation, Jaitly and Hinton 2013, eq. 3, on mel bands instead of filters.
    """
    top = centres_hz[-1]
    limit = _VTLP_LIMIT * top * min(by, 1.0) / by
    heard = np.where(
        centres_hz <= limit * by,
        centres_hz / by,
        top - (top - limit) / (top - limit * by) * (top - centres_hz),
    )
    bands = np.interp(heard, centres_hz, np.arange(len(centres_hz)))
    lower = np.minimum(bands.astype(np.intp), len(centres_hz) - 2)
    share = (bands - lower).astype(np.float32)
    return mels[:, lower] * (1 - share) + mels[:, lower + 1] * share


def spec_augment(
    mels: NDArray[np.float32],
    rng: np.random.Generator,
    time_masks: int,
    time_mask_frames: int,
    mel_masks: int,
    mel_mask_bands: int,
) -> NDArray[np.float32]:
    """Normalised mels with random stretches of frames and groups of bands blanked, shape kept.

    Args:
        mels: shape (frames, mels), mean 0.
        rng: decides how wide, 0 up to the maximum, and where.
        time_masks: number of stretches of frames.
        time_mask_frames: the longest.
        mel_masks: number of groups of bands.
        mel_mask_bands: the widest.

    Source: SpecAugment, Park et al. 2019, without time warping.
    """
    masked = mels.copy()
    for axis, count, widest in ((0, time_masks, time_mask_frames), (1, mel_masks, mel_mask_bands)):
        for width in rng.integers(widest + 1, size=count):
            start = int(rng.integers(mels.shape[axis] - width + 1))
            stretch = slice(start, start + int(width))
            masked[(stretch, slice(None)) if axis == 0 else (slice(None), stretch)] = 0
    return masked
