"""Matches events with placed words: hits, misses and false accepts."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kws_device.events import Event
from kws_training.data.masks import GRACE_S, Said

from .backgrounds import Passage
from .compose import Segment, Target


@dataclass(frozen=True)
class Span:
    """A recording's time in a stream."""

    start_s: float
    end_s: float
    passage: Passage


@dataclass(frozen=True)
class Script:
    """What is heard in a stream, in order of time."""

    targets: tuple[Target, ...]
    spans: tuple[Span, ...]
    """One after the other, without gaps."""

    def hours(self) -> float:
        """How long the stream is."""
        return self.spans[-1].end_s / 3600 if self.spans else 0.0

    def span_index_at(self, time_s: float) -> int:
        """Which recording is heard at that time; behind the end, the last one."""
        i = bisect.bisect_left(self.spans, time_s, key=lambda span: span.end_s)
        return min(i, len(self.spans) - 1)

    def span_at(self, time_s: float) -> Span:
        """The recording that is heard at that time; behind the end, the last one."""
        return self.spans[self.span_index_at(time_s)]


class ScriptWriter:
    """Writes down what a listener is given."""

    def __init__(self) -> None:
        self._targets: list[Target] = []
        self._spans: list[Span] = []

    def add(self, segment: Segment) -> None:
        """A piece of the stream; those of one recording become one span."""
        self._targets += segment.targets
        start_s = segment.start_s
        if segment.offset_s > 0:
            start_s = self._spans.pop().start_s
        self._spans.append(Span(start_s, segment.end_s, segment.passage))

    def script(self) -> Script:
        """All of it so far."""
        return Script(tuple(self._targets), tuple(self._spans))


@dataclass(frozen=True)
class Tally:
    """How many of what; tallies of several keywords or streams add up."""

    targets: int = 0
    """Placed words."""
    hits: int = 0
    false_accepts: int = 0
    masked: int = 0
    """Events where a keyword is known to be said; neither hits nor false accepts."""
    said: int = 0
    """Occurrences of keywords in sentences, by transcripts."""
    said_heard: int = 0
    """Of these, at how many there was an event."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.targets + other.targets,
            self.hits + other.hits,
            self.false_accepts + other.false_accepts,
            self.masked + other.masked,
            self.said + other.said,
            self.said_heard + other.said_heard,
        )


@dataclass(frozen=True)
class Verdict:
    """What became of one keyword in one stream."""

    hits: tuple[tuple[Target, Event], ...]
    misses: tuple[Target, ...]
    false: tuple[Event, ...]
    """Nothing said, another word, or a second report of the same."""
    masked: tuple[Event, ...]
    """The keyword is known to be said there in the background."""
    said: int = 0
    """Occurrences of the keyword in sentences of the background."""
    said_heard: int = 0

    def tally(self) -> Tally:
        """The numbers alone."""
        return Tally(
            len(self.hits) + len(self.misses),
            len(self.hits),
            len(self.false),
            len(self.masked),
            self.said,
            self.said_heard,
        )


def judge(events: Sequence[Event], script: Script, keyword: str) -> Verdict:
    """Hold the events of one keyword against the script.

    A target takes the first event that ends within it or shortly after, at most one, and an event counts
    once. Of the rest, those within or shortly after a place where the background is known to say the keyword
    are masked: of a transcript without times, that is the whole recording. An occurrence in a sentence was
    heard if it takes one of these events, each at most one.

    Args:
        events: in order of time; those of other keywords are passed over.
        script: of the stream.
        keyword: the one to judge.
    """
    own = [event for event in events if event.keyword == keyword]
    ends_s = [event.end_s for event in own]
    taken: set[int] = set()
    hits, misses = [], []
    for target in script.targets:
        if target.label != keyword:
            continue
        first = bisect.bisect_right(ends_s, target.start_s)
        last = bisect.bisect_right(ends_s, target.end_s + GRACE_S)
        n = next((n for n in range(first, last) if n not in taken), None)
        if n is None:
            misses.append(target)
        else:
            hits.append((target, own[n]))
            taken.add(n)
    false: list[Event] = []
    masked: list[Event] = []
    heard: set[tuple[int, int]] = set()
    for n, event in enumerate(own):
        if n in taken:
            continue
        sentences, apart = _places(event, script, keyword)
        (masked if sentences or apart else false).append(event)
        free = next((place for place in sentences if place not in heard), None)
        if free is not None:
            heard.add(free)
    said = sum(one.word == keyword for span in script.spans for one in span.passage.in_sentences)
    return Verdict(tuple(hits), tuple(misses), tuple(false), tuple(masked), said, len(heard))


def _places(event: Event, script: Script, keyword: str) -> tuple[list[tuple[int, int]], bool]:
    """Where the background says the keyword at that time.

    Returns:
        occurrences in sentences, each by the number of its recording and its own, in order of time; whether
        masks or the folder tell of another one.
    """
    sentences, apart = [], False
    there = script.span_index_at(event.end_s)
    for i in range(max(0, there - 1), there + 1):
        span = script.spans[i]

        def covered(said: Said, span: Span = span) -> bool:
            end_s = min(span.end_s, span.start_s + said.end_s)
            return said.word == keyword and _within(event, span.start_s + said.start_s, end_s)

        sentences += [(i, n) for n, said in enumerate(span.passage.in_sentences) if covered(said)]
        apart = apart or any(map(covered, span.passage.apart))
    return sentences, apart


def _within(event: Event, start_s: float, end_s: float) -> bool:
    return start_s < event.end_s <= end_s + GRACE_S


def latency_ms(verdicts: Iterable[Verdict]) -> dict[str, float | None]:
    """From where a word has been spoken to its decision; below zero where it was decided before.

    Returns:
        {"median", "p95"}, null without hits.
    """
    late_ms = [
        1000 * (event.end_s - target.spoken_s) for verdict in verdicts for target, event in verdict.hits
    ]
    if not late_ms:
        return {"median": None, "p95": None}
    return {"median": round(float(np.median(late_ms)), 1), "p95": round(float(np.percentile(late_ms, 95)), 1)}


def on_words(verdict: Verdict, script: Script) -> int:
    """How many of the false events fall on a placed word: taken for another, or reported twice."""
    starts_s = [target.start_s for target in script.targets]
    found = 0
    for event in verdict.false:
        # Words stand further apart than the grace, so only the last one that began can be meant.
        n = bisect.bisect_left(starts_s, event.end_s) - 1
        found += n >= 0 and _within(event, script.targets[n].start_s, script.targets[n].end_s)
    return found
