"""What a listener made of a stream: targets heard and missed, events that nothing called for."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kws_device.events import Event

from .background import NOISE, SPEECH, Passage
from .compose import Target

_GRACE_S = 0.75
"""A decision comes up to a smoothing time and a step after its word."""


@dataclass(frozen=True)
class Span:
    """A passage's time in a stream."""

    start_s: float
    end_s: float
    passage: Passage


@dataclass(frozen=True)
class Script:
    """What is heard in a stream, in order of time."""

    targets: tuple[Target, ...]
    spans: tuple[Span, ...]
    """One after the other, without gaps."""

    def hours(self, kind: str | None = None) -> float:
        """How long the stream is, or all of its passages of a kind."""
        return sum(s.end_s - s.start_s for s in self.spans if kind in (None, s.passage.kind)) / 3600

    def span_at(self, time_s: float) -> Span:
        """The passage that is heard at that time; behind the end, the last one."""
        i = bisect.bisect_left(self.spans, time_s, key=lambda span: span.end_s)
        return self.spans[min(i, len(self.spans) - 1)]


@dataclass(frozen=True)
class Verdict:
    """What became of one keyword, or of all."""

    hits: tuple[tuple[Target, Event], ...]
    misses: tuple[Target, ...]
    false: tuple[Event, ...]
    """Nothing said, another word, or a second report of the same."""
    masked: tuple[Event, ...]
    """The speaker of the background says the keyword in the same utterance."""


def judge(events: Sequence[Event], script: Script, keyword: str) -> Verdict:
    """Hold the events of one keyword against the script.

    A target takes the first event that ends within it or shortly after, at most one, and an event counts
    once. Of the rest, those within or shortly after an utterance whose transcript has the keyword are
    masked: nobody knows when in it the word was said.

    Args:
        events: in order of time; those of other keywords are passed over.
        script: of the stream.
        keyword: the one to judge.
    """
    left = [event for event in events if event.keyword == keyword]
    hits, misses = [], []
    for target in script.targets:
        if target.label != keyword:
            continue
        event = next((e for e in left if _within(e, target.start_s, target.end_s)), None)
        if event is None:
            misses.append(target)
        else:
            hits.append((target, event))
            left.remove(event)
    said = [span for span in script.spans if keyword in span.passage.said]
    masked = [e for e in left if any(_within(e, span.start_s, span.end_s) for span in said)]
    return Verdict(tuple(hits), tuple(misses), tuple(e for e in left if e not in masked), tuple(masked))


def _within(event: Event, start_s: float, end_s: float) -> bool:
    return start_s < event.end_s <= end_s + _GRACE_S


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Those of several keywords as one."""
    return Verdict(
        tuple(hit for verdict in verdicts for hit in verdict.hits),
        tuple(target for verdict in verdicts for target in verdict.misses),
        tuple(event for verdict in verdicts for event in verdict.false),
        tuple(event for verdict in verdicts for event in verdict.masked),
    )


def counts(verdict: Verdict, hours: float) -> dict[str, Any]:
    """The figures of a verdict as reports have them.

    Returns:
        {"targets", "hits", "misses", "miss_rate", "false_accepts", "false_accepts_per_hour", "masked"};
        `miss_rate` is null without targets.
    """
    targets = len(verdict.hits) + len(verdict.misses)
    return {
        "targets": targets,
        "hits": len(verdict.hits),
        "misses": len(verdict.misses),
        "miss_rate": round(len(verdict.misses) / targets, 5) if targets else None,
        "false_accepts": len(verdict.false),
        "false_accepts_per_hour": round(len(verdict.false) / hours, 3),
        "masked": len(verdict.masked),
    }


def by_passage(verdict: Verdict, script: Script) -> dict[str, dict[str, Any]]:
    """The same apart for speech and for noise: {kind: {"hours", and what `counts` returns}}."""
    return {
        kind: {"hours": round(hours, 5), **counts(_in_passages(verdict, script, kind), hours)}
        for kind in (SPEECH, NOISE)
        if (hours := script.hours(kind))
    }


def _in_passages(verdict: Verdict, script: Script, kind: str) -> Verdict:
    """The part of a verdict that belongs to passages of a kind, by where windows and clips end."""

    def there(item: Event | Target) -> bool:
        return script.span_at(item.end_s).passage.kind == kind

    return Verdict(
        tuple(hit for hit in verdict.hits if there(hit[0])),
        tuple(filter(there, verdict.misses)),
        tuple(filter(there, verdict.false)),
        tuple(filter(there, verdict.masked)),
    )


def latency_ms(verdict: Verdict) -> dict[str, float | None]:
    """From where a word has been spoken to its decision; below zero where it was decided before.

    Returns:
        {"median", "p95"}, null without hits.
    """
    if not verdict.hits:
        return {"median": None, "p95": None}
    late_ms = [1000 * (event.end_s - target.spoken_s) for target, event in verdict.hits]
    return {"median": round(float(np.median(late_ms)), 1), "p95": round(float(np.percentile(late_ms, 95)), 1)}


def on_words(verdict: Verdict, script: Script) -> int:
    """How many of the false events fall on a placed word: taken for another, or reported twice."""
    return sum(any(_within(e, t.start_s, t.end_s) for t in script.targets) for e in verdict.false)


def false_events(verdict: Verdict, script: Script) -> list[dict[str, Any]]:
    """Where to listen to what should not have been reported, in order of time.

    Returns:
        for each {"recording", "end_s": in the recording, "keyword", "score"}.
    """
    found = []
    for event in sorted(verdict.false, key=lambda event: event.end_s):
        span = script.span_at(event.end_s)
        found.append(
            {
                "recording": span.passage.path.name,
                "end_s": round(event.end_s - span.start_s, 2),
                "keyword": event.keyword,
                "score": event.score,
            }
        )
    return found
