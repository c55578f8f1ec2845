"""Streams of sound: recordings one after the other, with words at known times in them or without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_device import audio_files
from kws_training.data.corpus import Recording
from kws_training.data.segments import SILENT_DBFS, background_gain, from_db, power, word_extent

from .backgrounds import Passage

PITCH_S = 6.0
"""On average from one word to the next; in between there is time for whatever else is heard."""
_SHORTEST_GAP_S = 1.0
"""A command has a pause around it."""
_PIECE_S = 60.0
"""At most so much of a recording is in memory at a time."""
_PAUSE_DB = -10.0
"""A talker who is that far below the level of the recording pauses."""


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
    clip: str = ""
    """The file that it was taken from."""


@dataclass(frozen=True)
class Segment:
    """A piece of a recording with the words that were placed in it."""

    samples: NDArray[np.float32]
    """Mono, shape (n,), not clipped."""
    start_s: float
    """Since the stream began."""
    end_s: float
    targets: tuple[Target, ...]
    """In order of time; each ends within the segment."""
    passage: Passage
    """The recording."""
    offset_s: float = 0.0
    """Where in the recording the piece begins."""


def continuous(passages: Iterable[Passage], sample_rate_hz: int) -> Iterator[Segment]:
    """Read recordings one after the other, in pieces of at most a minute.

    Args:
        passages: in their order.
        sample_rate_hz: of the stream.

    Raises:
        InputError: a recording that cannot be read.
    """
    start = 0
    for passage in passages:
        offset = 0
        for samples in _pieces(passage, sample_rate_hz):
            end = start + len(samples)
            rate = sample_rate_hz
            yield Segment(samples, start / rate, end / rate, (), passage, offset / rate)
            start, offset = end, offset + len(samples)


def _pieces(passage: Passage, sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
    waiting: list[NDArray[np.float32]] = []
    for block in audio_files.blocks(passage.path, sample_rate_hz):
        waiting.append(block)
        if sum(map(len, waiting)) >= _PIECE_S * sample_rate_hz:
            yield np.concatenate(waiting)
            waiting.clear()
    if waiting:
        yield np.concatenate(waiting)


def compose(
    passages: Sequence[Passage],
    words: Sequence[Recording],
    snr_db: float,
    sample_rate_hz: int,
    seed: int | Sequence[int],
    pitch_s: float = PITCH_S,
    over_talk: bool = False,
) -> Iterator[Segment]:
    """Place words over recordings until there are no more words, or no more recordings.

    Each word is at a true signal-to-noise ratio against the background under it. A place where the
    background is below -60 dBFS is drawn again.

    Args:
        passages: in their order.
        words: drawn from in a random order, each at most once. None of them is silent.
        snr_db: mean square of a word's clip over that of the background under it.
        sample_rate_hz: of words and stream.
        seed: of the words' order and the gaps between them.
        pitch_s: mean time from one word to the next.
        over_talk: whether places where the talker pauses are drawn again, too: where the background is more
            than 10 dB below the level of its recording.

    Raises:
        InputError: a recording that cannot be read.
    """
    rng = np.random.default_rng(seed)
    order = iter(rng.permutation(len(words)).tolist())
    word = next(order, None)
    mean_word_s = float(np.mean([len(w.samples) for w in words] or [0])) / sample_rate_hz
    longest_s = max(2 * (pitch_s - mean_word_s) - _SHORTEST_GAP_S, _SHORTEST_GAP_S)

    def gap() -> int:
        return round(sample_rate_hz * rng.uniform(_SHORTEST_GAP_S, longest_s))

    at = gap()
    for segment in continuous(passages, sample_rate_hz):
        samples, start = segment.samples, round(segment.start_s * sample_rate_hz)
        least = max(from_db(SILENT_DBFS), from_db(_PAUSE_DB) * power(samples) if over_talk else 0.0)
        targets = []
        while word is not None and at + len(words[word].samples) <= len(samples):
            clip = words[word].samples
            under = samples[at : at + len(clip)]
            if power(under) >= least:
                under += clip / np.float32(background_gain(power(clip), power(under), snr_db))
                first, last, spoken = (
                    round((start + place) / sample_rate_hz, 4)
                    for place in (at, at + len(clip), at + word_extent(clip)[1])
                )
                label, name = words[word].label, words[word].clip.path.name
                targets.append(Target(label, first, last, spoken, name))
                word = next(order, None)
            at += len(clip) + gap()
        yield Segment(
            samples, segment.start_s, segment.end_s, tuple(targets), segment.passage, segment.offset_s
        )
        if word is None:
            return
        # A word that did not fit has its place drawn again in the next piece.
        at = at - len(samples) if at >= len(samples) else gap()
