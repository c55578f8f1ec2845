"""A model, or another engine, on placed words and on hours of sound without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import atomic
from kws_device.errors import InputError
from kws_device.strict import json_text
from kws_training.data.corpus import Recording, read_recordings
from kws_training.data.layouts import read_dataset
from kws_training.data.windows import power, word_extent

from ..peers.environments import Peer
from ..playback.room import Room
from .background import NOISE, SPEECH, Source, backgrounds
from .compose import PITCH_S, Segment, compose, continuous
from .figures import background_events, placed_words, summary
from .judge import latency_ms, on_words
from .listeners import Heard, Listener, ModelListener, PeerListener
from .outcomes import ALONE, OVER_VOICE, Outcome, Streams, outcome, tallies
from .thresholds import Sweep, best_thresholds, check_shown, check_writable, curve, sweep, write

REPORT = "stream.json"

_LONGEST_WORD_S = 1.5
"""Longer recordings of a word are cut to this around it."""
_SEEDS = {ALONE: 0, OVER_VOICE: 1}
"""Beside the plan's, so that the placed streams have different orders of words."""


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


@dataclass(frozen=True)
class Tuning:
    """What thresholds are chosen for, and where they are written."""

    false_accepts_per_hour: float
    """At most, of all keywords together; above 0."""
    also: Sequence[Path] = ()
    """Other files of the same model that get the same thresholds."""


def stream(
    model: str | Path | None, plan: Plan, out: Path, tuning: Tuning | None = None, room: Room | None = None
) -> dict[str, Any]:
    """Let a model listen to all streams; choose and write its thresholds, if wanted.

    The model hears each stream once; all other thresholds are tried on the scores of that pass.

    Args:
        model: file or shipped name; None: the shipped default. Tuning needs a file.
        plan: of the streams.
        out: gets stream.json.
        tuning: changes the model's file; the report is that of the tuned model.
        room: where the streams are played and recorded again; None: straight from the files.

    Returns:
        the content of stream.json.

    Raises:
        InputError: a model or folder that cannot be used, a model that must not be written, or a rate that
            so few hours cannot show.
    """
    listener = ModelListener(model)
    if tuning is None:
        return measured(listener, plan, room, out)
    files = check_writable(model, tuning.also, listener.manifest.keywords)
    if plan.speech is None:
        raise InputError("--tune weighs false accepts against misses; give words with --speech")
    rate = tuning.false_accepts_per_hour
    streams = _hear(listener, plan, room, rate)
    swept = sweep(streams, listener.thresholds)
    chosen = best_thresholds(swept, streams.hours(), rate)
    manifest, *_ = [write(path, chosen, rate) for path in files]
    named = {
        "model": manifest.name,
        "hash": manifest.hash,
        "tuned_from": listener.hash,
        "tuned_to": manifest.decoder.false_accepts_per_hour,
    }
    return _write({**named, **_report(plan, room, streams, outcome(streams, chosen), chosen, swept)}, out)


def stream_of_peer(
    peer: Peer, word: str, cache: Path, plan: Plan, out: Path, room: Room | None = None
) -> dict[str, Any]:
    """Let another project's engine listen to the same streams, for one of its words.

    Args:
        peer: which engine.
        word: one of its own; words of that label are placed.
        cache: of the peers' environments.
        plan: of the streams.
        out: gets stream.json.
        room: as in `stream`.

    Returns:
        the content of stream.json.

    Raises:
        InputError: a folder that cannot be used, or a peer that cannot be set up or fails.
    """
    return measured(PeerListener(peer, word, cache), plan, room, out)


def measured(listener: Listener, plan: Plan, room: Room | None, out: Path) -> dict[str, Any]:
    """Let any listener hear all streams, at its own thresholds.

    Args:
        listener: who is judged.
        plan: of the streams.
        room: as in `stream`.
        out: gets stream.json.

    Returns:
        the content of stream.json.

    Raises:
        InputError: a folder that cannot be used, or a listener that fails.
    """
    streams = _hear(listener, plan, room)
    swept = sweep(streams, listener.thresholds)
    named = {"model": listener.name, "hash": listener.hash, "tuned_to": listener.tuned_to}
    report = _report(plan, room, streams, outcome(streams), listener.thresholds, swept)
    return _write({**named, **report}, out)


def _write(report: dict[str, Any], out: Path) -> dict[str, Any]:
    atomic.write_text(out / REPORT, json_text(report, indent=1) + "\n")
    return report


def _hear(
    listener: Listener, plan: Plan, room: Room | None, false_accepts_per_hour: float | None = None
) -> Streams:
    """Let a listener hear every stream.

    Raises:
        InputError: as `stream`; where a rate is given that so few hours cannot show, before any word is
            placed.
    """
    keywords, rate = tuple(listener.thresholds), listener.sample_rate_hz
    beds = backgrounds(plan.negatives, plan.noise, plan.split, keywords, plan.masks)
    words = [] if plan.speech is None else _words(plan.speech, plan.split, keywords, rate)

    def heard(segments: Iterable[Segment], recordings: int, what: str) -> Heard:
        if room is not None:
            segments = _played(segments, room, rate)
        return listener.listen(_shown(segments, recordings, what))

    streams = Streams(keywords, tuple(beds), {}, {})
    for bed in beds:
        segments = continuous(bed.passages, rate)
        streams.background[bed.name] = heard(segments, len(bed.passages), bed.name)
    if false_accepts_per_hour is not None:
        check_shown(false_accepts_per_hour, streams.hours())
    for name, kind in ((ALONE, NOISE), (OVER_VOICE, SPEECH)) if words else ():
        under = [p for bed in beds if bed.kind == kind for p in bed.passages if not p.said]
        if not under:
            continue
        seed = (plan.seed, _SEEDS[name])
        rng = np.random.default_rng(seed)
        passages = [under[i] for _ in range(plan.passes) for i in rng.permutation(len(under))]
        segments = compose(passages, words, plan.snr_db, rate, seed, plan.pitch_s, kind == SPEECH)
        streams.placed[name] = heard(segments, len(passages), f"words {name.replace('_', ' ')}")
        if not streams.placed[name].script.targets:
            named = ", ".join(bed.name for bed in beds if bed.kind == kind)
            raise InputError(f"{named}: no place for a word in it; give longer recordings")
    return streams


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
            f"{speech}: no keyword in the {split} split; those listened for are {', '.join(keywords)}"
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


def _report(
    plan: Plan,
    room: Room | None,
    streams: Streams,
    found: Outcome,
    thresholds: Mapping[str, float],
    swept: Sweep,
) -> dict[str, Any]:
    """Everything but who listened."""
    figures = summary(tallies(found), streams)
    for name, verdicts in found.placed.items():
        figures["placed"][name]["latency_ms"] = latency_ms(verdicts.values())
    figures["per_keyword"] = {
        word: {
            "threshold": thresholds[word],
            **counts,
            "latency_ms": latency_ms(verdicts[word] for verdicts in found.placed.values()),
        }
        for word, counts in figures["per_keyword"].items()
    }
    return {
        "split": plan.split,
        "split_by": _split_by(plan, streams),
        "snr_db": plan.snr_db if plan.speech is not None else None,
        "seed": plan.seed,
        "pitch_s": plan.pitch_s,
        "passes": plan.passes,
        "played": room.name if room is not None else None,
        "transcribed": all(bed.transcribed for bed in streams.beds if bed.kind == SPEECH),
        "without_transcript": [
            bed.name for bed in streams.beds if bed.kind == SPEECH and not bed.transcribed
        ],
        "left_out_without_transcript": [name for bed in streams.beds for name in bed.left_out],
        **figures,
        "false_accepts_on_words": sum(
            on_words(verdict, streams.placed[name].script)
            for name, verdicts in found.placed.items()
            for verdict in verdicts.values()
        ),
        "latency_ms": latency_ms(v for verdicts in found.placed.values() for v in verdicts.values()),
        "false_events": background_events(found, streams, masked=False),
        "masked_events": background_events(found, streams, masked=True),
        "placed_words": placed_words(found, streams),
        "curve": curve(swept, streams),
    }


def _split_by(plan: Plan, streams: Streams) -> dict[str, str]:
    """The rule that split each folder of sound."""
    if plan.split == "all":
        return {}
    words = {} if plan.speech is None else {"speech": read_dataset(plan.speech).split_by}
    return {**words, **{bed.name: bed.split_by for bed in streams.beds}}
