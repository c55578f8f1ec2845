"""Takes of a word as people record them, a few seconds each: where in each of them the word is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..front_end import MelConfig, log_mel

_HOP_S = 0.01
_WINDOW_S = 0.025
_BANDS = 20
_VOICE_HZ = (100.0, 4000.0)
"""Below lies hum, above little that tells a voice from hiss."""
_FLOOR_SHARE = 0.15
"""Of a take's frames are as quiet as its background or quieter."""
_ABOVE_FLOOR_DB = 9.0
_BELOW_PEAK_DB = 30.0
"""A frame is active when it is so much above the background, and not further below the loudest frame."""
_GAP_S = 0.2
"""The longest pause within a word: the closure of a plosive."""
_WORD_S = (0.12, 1.5)
MARGIN_S = 0.08
"""Kept before and behind the word: quiet consonants are no louder than the background."""
_FADE_S = 0.015
_STEPS = 24
"""Every word is compared as so many steps, however fast it was said."""
_RANGE_DB = 40.0
"""What lies further below the loudest moment is no part of what a word sounds like."""
_ROUNDS = 4
LEAST_AGREEMENT = 0.3
"""Of a candidate among several. Different people's takes of a word agree by 0.4 to 0.9."""


@dataclass(frozen=True)
class Found:
    """The word of one take."""

    start: int
    """First sample, with a margin."""
    end: int
    """Behind the last one."""
    agreement: float
    """With the word as all takes have it: 1 is the same, 0 nothing in common."""


def find_words(takes: Sequence[NDArray[np.float32]], sample_rate_hz: int) -> list[Found | None]:
    """Find what takes of one word have in common.

    In each take the stretches that stand out from its background are candidates. What they sound like is
    compared step by step; by turns the common word is the mean of what was chosen, and of each take that is
    chosen which is most like it. The first choice is the candidate with the most energy.

    Args:
        takes: of the same word, mono, full scale is 1.0, shape (n,) each.
        sample_rate_hz: of them.

    Returns:
        by take; None where nothing stands out, or several things of which none is like the other takes' word.
    """
    heard = [_bands(take, sample_rate_hz) for take in takes]
    candidates = [_candidates(bands) for bands in heard]
    shapes = [
        np.stack([_shape(bands[first:last]) for first, last in spans]) if spans else None
        for bands, spans in zip(heard, candidates, strict=True)
    ]
    chosen = [
        int(np.argmax([np.sum(10 ** (bands[a:b].max(axis=1) / 10)) for a, b in spans])) if spans else -1
        for bands, spans in zip(heard, candidates, strict=True)
    ]
    agreement = [0.0] * len(takes)
    for _ in range(_ROUNDS):
        for i, ours in enumerate(shapes):
            if ours is None:
                continue
            others = [s[chosen[j]] for j, s in enumerate(shapes) if s is not None and j != i]
            common = _unit(np.median(others, axis=0)) if others else ours[chosen[i]]
            alike = ours @ common
            chosen[i], agreement[i] = int(alike.argmax()), float(alike.max())
    found: list[Found | None] = []
    for take, spans, choice, like in zip(takes, candidates, chosen, agreement, strict=True):
        # Where one thing alone stands out there is no choice: it was recorded to be the word.
        if not spans or (len(spans) > 1 and like < LEAST_AGREEMENT):
            found.append(None)
        else:
            found.append(_found(take, spans[choice], like, sample_rate_hz))
    return found


def find_repeats(
    recordings: Sequence[NDArray[np.float32]], sample_rate_hz: int
) -> tuple[list[list[Found]], int]:
    """Find every time that a word is said in long recordings of that one word.

    Each stretch that stands out and is as long as a word is compared with what most of them have in common.
    Coughs, doors and other words are left out.

    Args:
        recordings: in which one word is said again and again, with pauses; mono, full scale is 1.0,
            shape (n,) each.
        sample_rate_hz: of them.

    Returns:
        by recording, the word each time, in order; and the number of other sounds that were left out.
    """
    heard = [_bands(recording, sample_rate_hz) for recording in recordings]
    spans = [_candidates(bands) for bands in heard]
    shapes = [
        _shape(bands[first:last]) for bands, found in zip(heard, spans, strict=True) for first, last in found
    ]
    if not shapes:
        return [[] for _ in recordings], 0
    every = np.stack(shapes)
    kept = np.full(len(every), True)
    for _ in range(_ROUNDS):
        agreement = every @ _unit(np.median(every[kept], axis=0))
        kept = agreement >= LEAST_AGREEMENT
        if not kept.any():  # nothing is like the common sound, so there is none
            return [[] for _ in recordings], len(every)
    alike = iter(zip(agreement.tolist(), kept.tolist(), strict=True))
    found = []
    for recording, own in zip(recordings, spans, strict=True):
        rated = [(span, *next(alike)) for span in own]
        found.append([_found(recording, span, like, sample_rate_hz) for span, like, keep in rated if keep])
    return found, int((~kept).sum())


def _found(take: NDArray[np.float32], span: tuple[int, int], like: float, sample_rate_hz: int) -> Found:
    """The word of a span of frames, with its margin as far as the take goes."""
    margin, hop = round(MARGIN_S * sample_rate_hz), round(_HOP_S * sample_rate_hz)
    first, last = span
    return Found(max(0, first * hop - margin), min(len(take), last * hop + margin), round(like, 3))


def cut(take: NDArray[np.float32], found: Found, sample_rate_hz: int) -> NDArray[np.float32]:
    """The word of a take, shape (found.end - found.start,), faded at both ends so that no cut is heard."""
    word = take[found.start : found.end].copy()
    n = min(round(_FADE_S * sample_rate_hz), len(word) // 2)
    fade = np.linspace(0, 1, n, dtype=np.float32)
    word[:n] *= fade
    word[len(word) - n :] *= fade[::-1]
    return word


def _bands(take: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float32]:
    """Log-mels in dB, shape (frames, bands), a frame every 10 ms."""
    config = MelConfig(
        sample_rate_hz=sample_rate_hz,
        clip_ms=1000.0,  # of no consequence here
        window_ms=1000 * _WINDOW_S,
        hop_ms=1000 * _HOP_S,
        mels=_BANDS,
        fmin_hz=_VOICE_HZ[0],
        fmax_hz=_VOICE_HZ[1],
        floor_db=-100.0,
        top_db=0.0,
        centred=False,
    )
    if len(take) < round(_WINDOW_S * sample_rate_hz):
        return np.zeros((0, _BANDS), np.float32)
    frames: NDArray[np.float32] = log_mel(take, config)
    return frames


def _candidates(bands: NDArray[np.float32]) -> list[tuple[int, int]]:
    """First frame and the one behind the last of each stretch that is as long as a word.

    A stretch that is too long for one word is parted where it is quietest.
    """
    if not len(bands):
        return []
    level = bands.max(axis=1)
    level = np.convolve(np.pad(level, 1, mode="edge"), np.full(3, 1 / 3), "valid")
    floor = np.quantile(level, _FLOOR_SHARE)
    active = level > max(floor + _ABOVE_FLOOR_DB, level.max() - _BELOW_PEAK_DB)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    spans: list[tuple[int, int]] = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if spans and first - spans[-1][1] <= round(_GAP_S / _HOP_S):
            spans[-1] = spans[-1][0], last
        else:
            spans.append((first, last))
    shortest, longest = (round(s / _HOP_S) for s in _WORD_S)
    return [
        part for span in spans for part in _parted(level, *span, longest) if part[1] - part[0] >= shortest
    ]


def _parted(level: NDArray[np.float32], first: int, last: int, longest: int) -> list[tuple[int, int]]:
    if last - first <= longest:
        return [(first, last)]
    inner = level[first + longest // 4 : last - longest // 4]
    quietest = first + longest // 4 + int(inner.argmin())
    return _parted(level, first, quietest, longest) + _parted(level, quietest, last, longest)


def _shape(bands: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a stretch sounds like, but for level, microphone and length; a unit vector."""
    bands = np.maximum(bands, bands.max() - _RANGE_DB)
    at = np.linspace(0, len(bands) - 1, _STEPS)
    before = np.floor(at).astype(int)
    after = np.minimum(before + 1, len(bands) - 1)
    share = (at - before)[:, None]
    steps = bands[before] * (1 - share) + bands[after] * share
    return _unit(steps - steps.mean(axis=0))


def _unit(vector: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    flat = np.asarray(vector, dtype=np.float64).ravel()
    return flat / max(float(np.linalg.norm(flat)), 1e-9)
