"""The figures of an outcome as stream.json has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kws_device.events import Event

from .backgrounds import NOISE, SPEECH, Background
from .matching import Script, Tally
from .outcomes import ALONE, IN_SENTENCE, OVER_VOICE, Outcome, Streams, Tallies
from .poisson import bound95

_UNDER = {SPEECH: OVER_VOICE, NOISE: ALONE}
"""The placed stream that is over backgrounds of a kind."""


def summary(found: Tallies, streams: Streams) -> dict[str, Any]:
    """Everything that depends on thresholds, except for single events.

    Returns:
        {"hours", what `counts` returns of all keywords together, "over": by kind, "placed", "background",
        "per_keyword"}.
    """
    hours = {name: heard.script.hours() for name, heard in streams.background.items()}
    return {
        "hours": round(sum(hours.values()), 5),
        **counts(found.together(), sum(hours.values())),
        "over": dict(_by_kind(found, streams.beds, hours)),
        "placed": _placed(found, streams),
        "background": {
            bed.name: _background(found.background[bed.name], bed, hours[bed.name]) for bed in streams.beds
        },
        "per_keyword": {word: counts(found.of(word), sum(hours.values())) for word in streams.keywords},
    }


def counts(tally: Tally, hours: float) -> dict[str, Any]:
    """The figures of a tally.

    Returns:
        {"targets", "hits", "misses", "miss_rate", "false_accepts", "false_accepts_per_hour",
        "false_accepts_bound95", "masked"}; `miss_rate` is null without targets.
    """
    return {
        **hit_rate(tally),
        "false_accepts": tally.false_accepts,
        "false_accepts_per_hour": round(tally.false_accepts / hours, 3),
        "false_accepts_bound95": round(bound95(tally.false_accepts, hours), 3),
        "masked": tally.masked,
    }


def hit_rate(tally: Tally) -> dict[str, Any]:
    """{"targets", "hits", "misses", "miss_rate"} of placed words; the last is null without targets."""
    return _heard(tally.targets, tally.hits)


def _heard(targets: int, hits: int) -> dict[str, Any]:
    return {
        "targets": targets,
        "hits": hits,
        "misses": targets - hits,
        "miss_rate": round(1 - hits / targets, 5) if targets else None,
    }


def _by_kind(
    found: Tallies, beds: Sequence[Background], hours: Mapping[str, float]
) -> Iterable[tuple[str, dict[str, Any]]]:
    for kind, placed in _UNDER.items():
        if names := [bed.name for bed in beds if bed.kind == kind]:
            listened = sum(hours[name] for name in names)
            yield kind, {"hours": round(listened, 5), **counts(found.together([placed], names), listened)}


def _placed(found: Tallies, streams: Streams) -> dict[str, dict[str, Any] | None]:
    """Words by condition; None where a condition was not tried."""

    def figures(tallies: Mapping[str, Tally], said: bool) -> dict[str, Any]:
        def heard(tally: Tally) -> dict[str, Any]:
            return _heard(tally.said, tally.said_heard) if said else _heard(tally.targets, tally.hits)

        whole = sum(tallies.values(), Tally())
        return {**heard(whole), "per_keyword": {word: heard(tally) for word, tally in tallies.items()}}

    in_sentence = {word: found.of(word) for word in streams.keywords}
    return {
        **{
            name: figures(found.placed[name], said=False) if name in found.placed else None
            for name in (ALONE, OVER_VOICE)
        },
        IN_SENTENCE: figures(in_sentence, said=True) if found.together().said else None,
    }


def _background(tallies: Mapping[str, Tally], bed: Background, hours: float) -> dict[str, Any]:
    def figures(tally: Tally) -> dict[str, Any]:
        return {
            "false_accepts": tally.false_accepts,
            "per_hour": round(tally.false_accepts / hours, 3),
            "bound95": round(bound95(tally.false_accepts, hours), 3),
            "masked": tally.masked,
        }

    return {
        "kind": bed.kind,
        "recordings": len(bed.passages),
        "hours": round(hours, 5),
        **figures(sum(tallies.values(), Tally())),
        "per_keyword": {word: figures(tally) for word, tally in tallies.items()},
    }


def curve_point(threshold: float, found: Tallies, streams: Streams) -> dict[str, Any]:
    """A point of the trade-off: what `summary` returns, without each keyword in each stream."""
    point = summary(found, streams)
    for part in (*point["placed"].values(), *point["background"].values()):
        if part is not None:
            del part["per_keyword"]
    return {"threshold": threshold, **point}


def background_events(found: Outcome, streams: Streams, masked: bool) -> list[dict[str, Any]]:
    """Where to listen to the events of the backgrounds, in order of time.

    Args:
        found: at the thresholds that are reported.
        streams: what was heard.
        masked: those where the keyword is known to be said; else those that are false.

    Returns:
        for each {"background", "recording", "end_s": in the recording, "keyword", "score"}.
    """
    return [
        {"background": name, **event}
        for name, verdicts in found.background.items()
        for event in _events(
            [event for v in verdicts.values() for event in (v.masked if masked else v.false)],
            streams.background[name].script,
        )
    ]


def placed_words(found: Outcome, streams: Streams) -> list[dict[str, Any]]:
    """What became of each placed word, in order of time.

    Returns:
        for each {"condition", "recording": what is under it, "start_s": in the recording, "clip", "keyword",
        "end_s": of its event in the recording, "score": of its event}; the last two are null where it was
        missed.
    """
    rows = []
    for name, verdicts in found.placed.items():
        script = streams.placed[name].script
        heard = {target: event for v in verdicts.values() for target, event in v.hits}
        for target in script.targets:
            span, event = script.span_at(target.end_s), heard.get(target)
            rows.append(
                {
                    "condition": name,
                    "recording": span.passage.name,
                    "start_s": round(target.start_s - span.start_s, 2),
                    "clip": target.clip,
                    "keyword": target.label,
                    "end_s": None if event is None else round(event.end_s - span.start_s, 2),
                    "score": None if event is None else event.score,
                }
            )
    return rows


def _events(events: Iterable[Event], script: Script) -> Iterable[dict[str, Any]]:
    for event in sorted(events, key=lambda event: event.end_s):
        span = script.span_at(event.end_s)
        yield {
            "recording": span.passage.name,
            "end_s": round(event.end_s - span.start_s, 2),
            "keyword": event.keyword,
            "score": event.score,
        }
