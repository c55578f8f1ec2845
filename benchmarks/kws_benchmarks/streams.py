"""Long recordings with words at known times, and what a listener made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_device.errors import InputError
from kws_device.events import Event
from kws_training.data.windows import background_gain, power
from kws_training.evaluation.test_sets import Item

_SHORTEST_GAP_S = 0.5
_GRACE_S = 0.75
"""A decision comes up to a smoothing time and a step after its word."""


@dataclass(frozen=True)
class Target:
    """A word in a stream."""

    label: str
    """The head's label; `_unknown_` for a word that must not be reported."""
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Stream:
    """A long recording and what is said in it."""

    samples: NDArray[np.float32]
    """Mono, shape (n,), not clipped."""
    targets: tuple[Target, ...]
    """In order of time."""


def compose(
    words: Sequence[Item],
    background: NDArray[np.float32],
    snr_db: float,
    duration_s: float,
    sample_rate_hz: int,
    seed: int,
    longest_gap_s: float = 2.0,
) -> Stream:
    """Place words over a background, each at a true SNR against the background under it.

    Args:
        words: drawn from in a random order, each at most once; samples without padding.
        background: shape (m,), repeated to the duration.
        snr_db: mean square of the word over that of the background under it.
        duration_s: of the stream.
        sample_rate_hz: of words and background.
        seed: of order and gaps.
        longest_gap_s: between words; the shortest is half a second.

    Raises:
        InputError: a background of silence under a word, or too few words.
    """
    rng = np.random.default_rng(seed)
    samples = np.resize(background, round(duration_s * sample_rate_hz)).astype(np.float32)
    targets: list[Target] = []
    at = round(sample_rate_hz * rng.uniform(_SHORTEST_GAP_S, longest_gap_s))
    order = iter(rng.permutation(len(words)))
    while True:
        index = next(order, None)
        if index is None:
            raise InputError(
                f"{len(words)} words are too few for {duration_s:g} s; give more or a shorter time"
            )
        word = words[int(index)]
        end = at + len(word.samples)
        if end + round(_GRACE_S * sample_rate_hz) > len(samples):
            return Stream(samples, tuple(targets))
        under = power(samples[at:end])
        if under == 0 or power(word.samples) == 0:
            raise InputError(f"{word.name}: no signal-to-noise ratio with silence; give another background")
        samples[at:end] += word.samples / np.float32(background_gain(power(word.samples), under, snr_db))
        targets.append(Target(word.label, at / sample_rate_hz, end / sample_rate_hz))
        at = end + round(sample_rate_hz * rng.uniform(_SHORTEST_GAP_S, longest_gap_s))


@dataclass(frozen=True)
class Hits:
    """Which targets were heard, and which events were false."""

    hits: int
    misses: int
    false: tuple[Event, ...]
    """Events without a target: nothing said, another word, or a second report of the same."""


def match(events: Sequence[Event], targets: Sequence[Target], keywords: Sequence[str]) -> Hits:
    """A target takes the first event of its keyword that ends within it or shortly after; one at most."""
    left = list(events)
    hits = 0
    wanted = [target for target in targets if target.label in keywords]
    for target in wanted:
        for event in left:
            if event.keyword == target.label and target.start_s < event.end_s <= target.end_s + _GRACE_S:
                left.remove(event)
                hits += 1
                break
    return Hits(hits, len(wanted) - hits, tuple(left))
