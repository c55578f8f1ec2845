"""Runs a listener over every stream of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import InputError
from kws_training.data.corpus import Recording, read_recordings
from kws_training.data.layouts import read_dataset
from kws_training.data.segments import power, word_extent

from ..playback.room import Room
from .backgrounds import NOISE, SPEECH, Background, Passage, Source, backgrounds
from .compose import PITCH_S, Segment, compose, continuous
from .listeners import Heard, Listener
from .outcomes import ALONE, OVER_VOICE, Streams

_LONGEST_WORD_S = 1.5
"""Longer recordings of a word are cut to this around it."""
_CONDITIONS = {ALONE: (NOISE, 0), OVER_VOICE: (SPEECH, 1)}
"""What words are placed over, and a number beside the seed: each condition has words in another order."""


@dataclass(frozen=True)
class Plan:
    """What the streams are made of."""

    speech: Path | None
    """Words in a known layout; None: nothing is placed, only false accepts are counted."""
    negatives: Sequence[Source]
    """Speech: read aloud, talk, or other people's words."""
    noise: Sequence[Source]
    """Noise and music."""
    split: str
    """validation, test or all."""
    snr_db: float = 10.0
    """Of each word over the background under it."""
    seed: int = 1
    """Of the words' order and places."""
    pitch_s: float = PITCH_S
    """Mean time from one word to the next."""
    passes: int = 1
    """How often the background is gone through to place words, each time other ones."""
    masks: Sequence[Path] = ()
    """Tables of when keywords are said; those that lie in the folders are found."""


def hear(
    listener: Listener, plan: Plan, room: Room | None, enough: Callable[[float], None] | None = None
) -> Streams:
    """Let a listener hear every stream, each from its beginning.

    Args:
        listener: who hears.
        plan: of the streams.
        room: where they are played and recorded again; None: straight from the files.
        enough: raises InputError where so many hours of background are too few, before any word is placed.

    Raises:
        InputError: a folder that cannot be used, or sound that is too short.
    """
    keywords, rate = tuple(listener.thresholds), listener.sample_rate_hz
    beds = backgrounds(plan.negatives, plan.noise, plan.split, keywords, plan.masks)
    words = [] if plan.speech is None else _words(plan.speech, plan.split, keywords, rate)

    def heard(segments: Iterable[Segment], recordings: int, what: str) -> Heard:
        if room is not None:
            segments = _played(segments, room, rate)
        return listener.listen(_shown(segments, recordings, what))

    background = {
        bed.name: heard(continuous(bed.passages, rate), len(bed.passages), bed.name) for bed in beds
    }
    for name, found in background.items():
        if not found.script.hours():
            raise InputError(f"{name}: its recordings are silent; record them again")
    if enough is not None:
        enough(sum(found.script.hours() for found in background.values()))
    placed = {}
    for name, (kind, number) in _CONDITIONS.items() if words else ():
        under = [bed for bed in beds if bed.kind == kind]
        seed = (plan.seed, number)
        if passages := _passages(under, plan.passes, seed):
            segments = compose(passages, words, plan.snr_db, rate, seed, plan.pitch_s, kind == SPEECH)
            placed[name] = heard(segments, len(passages), f"words {name.replace('_', ' ')}")
            if not placed[name].script.targets:
                named = ", ".join(bed.name for bed in under)
                raise InputError(f"{named}: has no place for a word; give longer recordings")
    return Streams(keywords, tuple(beds), background, placed)


def _passages(beds: Iterable[Background], passes: int, seed: Sequence[int]) -> list[Passage]:
    """Recordings in which no keyword is known to be said, in another random order in each pass."""
    rng = np.random.default_rng([*seed, 1])
    free = [passage for bed in beds for passage in bed.passages if not passage.said]
    return [free[i] for _ in range(passes) for i in rng.permutation(len(free))]


def _shown(segments: Iterable[Segment], recordings: int, what: str) -> Iterator[Segment]:
    with tqdm(total=recordings, desc=what, unit="recording", leave=False) as bar:
        for segment in segments:
            yield segment
            bar.update(segment.offset_s == 0)


def _played(segments: Iterable[Segment], room: Room, sample_rate_hz: int) -> Iterator[Segment]:
    for segment in segments:
        yield replace(segment, samples=room.play(segment.samples, sample_rate_hz))


def _words(speech: Path, split: str, keywords: Sequence[str], sample_rate_hz: int) -> list[Recording]:
    """The split's keywords, without silent clips."""
    clips = [clip for clip in read_dataset(speech).split(split) if clip.label in keywords]
    if not clips:
        raise InputError(
            f"{speech}: has no keyword of the model in the {split} split; keywords are {', '.join(keywords)}"
        )
    words = read_recordings(clips, [clip.label for clip in clips], sample_rate_hz, "speech")
    longest = round(_LONGEST_WORD_S * sample_rate_hz)
    cut = [replace(w, samples=_around_word(w.samples, longest)) for w in words if power(w.samples) > 0]
    return [word for word in cut if power(word.samples) > 0]


def _around_word(clip: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    """A clip, shape (n,), of which so much is left as lies around the middle of its word."""
    middle = sum(word_extent(clip)) // 2
    start = min(max(0, middle - longest // 2), max(0, len(clip) - longest))
    return clip[start : start + longest]
