"""A long stream, passage by passage, with words at known times in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_device import audio_files
from kws_training.data.corpus import Recording
from kws_training.data.windows import SILENT_DBFS, background_gain, from_db, power, word_extent

from .background import Passage

PITCH_S = 6.0
"""On average from one word to the next; in between there is time for whatever else is heard."""
_SHORTEST_GAP_S = 0.5


@dataclass(frozen=True)
class Target:
    """A word in a stream. Times are seconds since the stream began."""

    label: str
    """A keyword."""
    start_s: float
    """Where its clip begins."""
    end_s: float
    """Where its clip ends."""
    spoken_s: float
    """Where the word in the clip has been spoken, by its energy."""


@dataclass(frozen=True)
class Segment:
    """A passage of a stream with the words that were placed in it."""

    samples: NDArray[np.float32]
    """Mono, shape (n,), not clipped."""
    start_s: float
    """Since the stream began."""
    end_s: float
    targets: tuple[Target, ...]
    """In order of time; each ends within the segment."""
    passage: Passage
    """What is heard beside them."""


def compose(
    passages: Sequence[Passage],
    words: Sequence[Recording],
    snr_db: float,
    sample_rate_hz: int,
    seed: int,
    pitch_s: float = PITCH_S,
) -> Iterator[Segment]:
    """Read passages one after the other and place words over them; memory holds one at a time.

    Each word is at a true signal-to-noise ratio against the background under it. A place that is below
    -60 dBFS is drawn again.

    Args:
        passages: in their order.
        words: drawn from in a random order, each at most once; what lies behind the last one stays as
            it is. None of them is silent.
        snr_db: mean square of a word's clip over that of the background under it.
        sample_rate_hz: of words and stream.
        seed: of the words' order and the gaps between them.
        pitch_s: mean time from one word to the next.

    Raises:
        InputError: a passage that cannot be read.
    """
    rng = np.random.default_rng(seed)
    order = iter(rng.permutation(len(words)).tolist())
    word = next(order, None)
    mean_word_s = float(np.mean([len(w.samples) for w in words] or [0])) / sample_rate_hz
    longest_s = max(2 * (pitch_s - mean_word_s) - _SHORTEST_GAP_S, _SHORTEST_GAP_S)

    def gap() -> int:
        return round(sample_rate_hz * rng.uniform(_SHORTEST_GAP_S, longest_s))

    start, at = 0, gap()
    for passage in passages:
        samples = audio_files.read(passage.path, sample_rate_hz)
        targets = []
        while word is not None and at + len(words[word].samples) <= len(samples):
            clip = words[word].samples
            under = samples[at : at + len(clip)]
            if power(under) >= from_db(SILENT_DBFS):
                under += clip / np.float32(background_gain(power(clip), power(under), snr_db))
                places = (at, at + len(clip), at + word_extent(clip)[1])
                times = (round((start + place) / sample_rate_hz, 4) for place in places)
                targets.append(Target(words[word].label, *times))
                word = next(order, None)
            at += len(clip) + gap()
        end = start + len(samples)
        yield Segment(samples, start / sample_rate_hz, end / sample_rate_hz, tuple(targets), passage)
        # A word that did not fit has its place drawn again in the next passage.
        at = at - len(samples) if at >= len(samples) else gap()
        start = end
