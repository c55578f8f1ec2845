"""A model, or another engine, on placed words and on hours of sound without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.schema import json_text
from kws_device.model.manifest_parts import ArmingConfig
from kws_device.overrides import ArmingOptions, with_arming
from kws_training.data.layouts import read_dataset

from ..peers.environments import Peer
from ..playback.room import Room
from .armed import armed_figures, check_tried
from .backgrounds import SPEECH
from .figures import background_events, placed_words, summary
from .listeners import Listener, ModelListener, PeerListener
from .matching import latency_ms, on_words
from .outcomes import Outcome, Streams, outcome, tallies
from .session import Plan, hear
from .thresholds import Sweep, best_thresholds, check_shown, check_writable, curve, sweep, write

REPORT = "stream.json"
_MODELS_OWN = ArmingOptions()


@dataclass(frozen=True)
class Tuning:
    """What thresholds are chosen for, and where they are written."""

    false_accepts_per_hour: float
    """At most, of all keywords together; above 0."""
    also: Sequence[Path] = ()
    """Other files of the same model that get the same thresholds."""


def stream(
    model: str | Path | None,
    plan: Plan,
    out: Path,
    tuning: Tuning | None = None,
    room: Room | None = None,
    options: ArmingOptions = _MODELS_OWN,
) -> dict[str, Any]:
    """Let a model listen to all streams; choose and write its thresholds, if wanted.

    The model hears each stream once; all other thresholds are tried on the scores of that pass.

    Args:
        model: file or shipped name; None: the shipped default. Tuning needs a file.
        plan: of the streams.
        out: gets stream.json.
        tuning: changes the model's file; the report is that of the tuned model.
        room: where the streams are played and recorded again; None: straight from the files.
        options: rules of arming instead of the model's own; the report tells what they are worth.

    Returns:
        the content of stream.json.

    Raises:
        InputError: a model or folder that cannot be used, a model that must not be written, or a rate that
            so few hours cannot show.
    """
    listener = ModelListener(model)
    arming = with_arming(listener.manifest.with_arming(listener.arming), options).arming
    if arming is not None:
        check_tried(listener.manifest, arming)
    if tuning is None:
        return measured(listener, plan, out, room, arming)
    files = check_writable(model, tuning.also, listener.manifest.trained_keywords)
    if plan.speech is None:
        raise InputError("--tune needs words; give --speech")
    rate = tuning.false_accepts_per_hour
    streams = hear(listener, plan, room, lambda hours: check_shown(rate, hours))
    swept = sweep(streams, listener.thresholds)
    chosen = best_thresholds(swept, streams.hours(), rate)
    manifest, *_ = [write(path, chosen, rate) for path in files]
    named = {
        "model": manifest.name,
        "hash": manifest.hash,
        "tuned_from": listener.hash,
        "tuned_to": manifest.decoder.false_accepts_per_hour,
    }
    report = _report(plan, room, streams, outcome(streams, chosen), chosen, swept)
    armed = None if arming is None else armed_figures(streams, manifest.with_arming(None), arming)
    return _write({**named, **report, "armed": armed}, out)


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
    return measured(PeerListener(peer, word, cache), plan, out, room)


def measured(
    listener: Listener, plan: Plan, out: Path, room: Room | None = None, arming: ArmingConfig | None = None
) -> dict[str, Any]:
    """Let any listener hear all streams, at its own thresholds.

    Args:
        listener: who is judged.
        plan: of the streams.
        out: gets stream.json.
        room: as in `stream`.
        arming: rules that are tried on what was heard, of a model of ours; None: no rules.

    Returns:
        the content of stream.json.

    Raises:
        InputError: a folder that cannot be used, or a listener that fails.
    """
    streams = hear(listener, plan, room)
    swept = sweep(streams, listener.thresholds)
    named = {"model": listener.name, "hash": listener.hash, "tuned_to": listener.tuned_to}
    report = _report(plan, room, streams, outcome(streams), listener.thresholds, swept)
    armed = None
    if arming is not None and isinstance(listener, ModelListener):
        armed = armed_figures(streams, listener.manifest, arming)
    return _write({**named, **report, "armed": armed}, out)


def _write(report: dict[str, Any], out: Path) -> dict[str, Any]:
    atomic.write_text(out / REPORT, json_text(report, indent=1) + "\n")
    return report


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
