"""Findings from `kws-bench stream`: false accepts per hour, and words heard at the thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .findings import Finding

MOST_PER_HOUR = 2.0
"""False accepts of all words together that people put up with, over sound that says none of them."""
_LEAST_HEARD = 0.8
"""Of words standing alone over noise, at the thresholds of the model file."""

FIRES, MISSES, TOO_SHORT, UNKNOWN = "fires", "misses", "too short", "unknown"

_HOW = (
    "Measure it with kws-bench stream --model FILE --speech DIR --negatives DIR --noise DIR --split test "
    "--out REPORT, into the folder of this report, and make this report again; or name its stream.json "
    "with --add."
)


@dataclass(frozen=True)
class LongRun:
    """What streams tell about a model."""

    problem: str | None
    """FIRES, MISSES, TOO_SHORT or UNKNOWN; None: nothing speaks against it."""
    sentence: str
    """What it means, for people; empty without a problem."""
    findings: tuple[Finding, ...]


def long_run(streams: Sequence[Mapping[str, Any]], model_hash: str) -> LongRun:
    """Judge a model by its streams.

    Args:
        streams: contents of stream.json, of any models.
        model_hash: of the one to judge.

    Returns:
        the judgement by the stream with the most hours; a stream without placed words tells too little.
    """
    own = [s for s in streams if s.get("hash") == model_hash and {"background", "placed"} <= set(s)]
    spoken = [stream for stream in own if stream["targets"]]
    if not spoken:
        why = "No stream.json of this model file is here"
        if own:
            why = "The stream.json of this model file has no placed words, which --speech gives"
        elif streams:
            names = ", ".join(str(stream.get("hash", "unknown"))[:12] for stream in streams)
            why = f"The stream.json here is of another model file ({names}) or of an older version"
        sentence = "False accepts per hour were not measured, so it is not known whether the model works."
        return LongRun(UNKNOWN, sentence, (Finding("bad", f"{why}. {_HOW}"),))
    longest = max(spoken, key=lambda stream: float(stream["hours"]))
    findings = (*_backgrounds(longest), *(text for stream in spoken for text in _placed(stream)))
    rate, bound, hours = (
        longest[name] for name in ("false_accepts_per_hour", "false_accepts_bound95", "hours")
    )
    if rate > MOST_PER_HOUR:
        sentence = f"It has {rate:.1f} false accepts per hour."
        return LongRun(FIRES, sentence, findings)
    for stream in spoken:
        alone = stream["placed"]["alone"] or stream["placed"]["over_voice"]
        if 1 - alone["miss_rate"] < _LEAST_HEARD:
            sentence = f"At its thresholds it misses {100 * alone['miss_rate']:.0f} % of the words."
            return LongRun(MISSES, sentence, findings)
    if bound > MOST_PER_HOUR:
        sentence = (
            f"{hours:.1f} hours are too few to show that it has at most {MOST_PER_HOUR:g} "
            "false accepts per hour."
        )
        return LongRun(TOO_SHORT, sentence, findings)
    return LongRun(None, "", findings)


def _backgrounds(stream: Mapping[str, Any]) -> Iterator[Finding]:
    for name, of in stream["background"].items():
        tone = (
            "good" if of["bound95"] <= MOST_PER_HOUR else "bad" if of["per_hour"] > MOST_PER_HOUR else "plain"
        )
        yield Finding(
            tone,
            f"Over {name} it has {of['per_hour']:.2g} false accepts per hour, at most {of['bound95']:.2g} "
            f"(95 %), in {of['hours']:.2f} hours.",
        )


def _placed(stream: Mapping[str, Any]) -> Iterator[Finding]:
    heard = {name: 100 * (1 - of["miss_rate"]) for name, of in stream["placed"].items() if of is not None}
    said = [
        f"{heard[name]:.1f} % {text}"
        for name, text in (("alone", "standing alone over noise"), ("over_voice", "over a quieter voice"))
        if name in heard
    ]
    yield Finding("plain", f"Of words at {stream['snr_db']:g} dB it hears {' and '.join(said)}.")
    if "in_sentence" in heard:
        yield Finding("plain", f"It reports {heard['in_sentence']:.1f} % of its words said within sentences.")
