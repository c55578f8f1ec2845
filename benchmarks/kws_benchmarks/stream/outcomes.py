"""The results of all streams, from which figures at any threshold follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kws_device.events import Event

from .backgrounds import Background
from .listeners import Heard
from .matching import Tally, Verdict, judge

ALONE, OVER_VOICE, IN_SENTENCE = "alone", "over_voice", "in_sentence"


@dataclass(frozen=True)
class Streams:
    """What a listener made of every stream."""

    keywords: tuple[str, ...]
    beds: tuple[Background, ...]
    background: dict[str, Heard]
    """Streams without placed words, by the name of their background."""
    placed: dict[str, Heard]
    """Streams with placed words: ALONE over noise, OVER_VOICE over speech; either may be absent."""

    def hours(self) -> float:
        """Of sound without placed words."""
        return sum(heard.script.hours() for heard in self.background.values())


@dataclass(frozen=True)
class Outcome:
    """What became of each keyword, by stream and then by keyword."""

    background: dict[str, dict[str, Verdict]]
    placed: dict[str, dict[str, Verdict]]


@dataclass(frozen=True)
class Tallies:
    """The numbers of an outcome, by stream and then by keyword."""

    background: dict[str, dict[str, Tally]]
    placed: dict[str, dict[str, Tally]]

    def of(self, keyword: str) -> Tally:
        """A keyword's words in all placed streams, and its events in all backgrounds."""
        return _whole(
            [tallies[keyword] for tallies in self.placed.values()],
            [tallies[keyword] for tallies in self.background.values()],
        )

    def together(self, placed: Sequence[str] | None = None, background: Sequence[str] | None = None) -> Tally:
        """All keywords as one, in the streams that are named; None: in all of them."""
        return _whole(
            [
                t
                for name, each in self.placed.items()
                if placed is None or name in placed
                for t in each.values()
            ],
            [
                t
                for name, each in self.background.items()
                if background is None or name in background
                for t in each.values()
            ],
        )


def _whole(placed: Sequence[Tally], background: Sequence[Tally]) -> Tally:
    """Words count where they were placed, false accepts where none were."""
    words, rest = sum(placed, Tally()), sum(background, Tally())
    return Tally(words.targets, words.hits, rest.false_accepts, rest.masked, rest.said, rest.said_heard)


def outcome(streams: Streams, thresholds: Mapping[str, float] | None = None) -> Outcome:
    """Judge every stream.

    Args:
        streams: what was heard.
        thresholds: by keyword; None: the listener's own.
    """

    def judged(heard: Heard) -> dict[str, Verdict]:
        events: Sequence[Event] = heard.events if thresholds is None else heard.at(thresholds)
        return {keyword: judge(events, heard.script, keyword) for keyword in streams.keywords}

    return Outcome(
        {name: judged(heard) for name, heard in streams.background.items()},
        {name: judged(heard) for name, heard in streams.placed.items()},
    )


def tallies(found: Outcome) -> Tallies:
    """The numbers alone."""
    return Tallies(_numbers(found.background), _numbers(found.placed))


def _numbers(streams: Mapping[str, Mapping[str, Verdict]]) -> dict[str, dict[str, Tally]]:
    return {name: {word: v.tally() for word, v in each.items()} for name, each in streams.items()}
