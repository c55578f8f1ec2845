"""A model on words in long continuous speech and noise, through the device's own path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kws_device import Manifest, Spotter, atomic, model_file
from kws_device.errors import InputError
from kws_device.strict import json_text
from kws_training.data.corpus import Folders, Recording, read_recordings, split_rules
from kws_training.data.layouts import read_dataset
from kws_training.data.windows import centred, power

from ..playback.room import Room
from .background import Background, background
from .compose import PITCH_S, Segment, compose
from .judge import Verdict, by_passage, counts, false_events, judge, latency_ms, on_words, together
from .thresholds import best_thresholds, check_writable, curve, sweep, tuned
from .trace import Trace, listen, replay

REPORT = "stream.json"


@dataclass(frozen=True)
class Plan:
    """What a stream is made of."""

    speech: Path | None
    """Words in a known layout; None: nothing is placed, only false accepts are counted."""
    negatives: Path
    """Continuous speech, with transcripts (`*.trans.txt`) or without."""
    noise: Path | None
    """Any sound files below it."""
    split: str
    """validation, test or all."""
    snr_db: float = 10.0
    """Of each word over the background under it."""
    seed: int = 1
    """Of the words' order and places."""
    pitch_s: float = PITCH_S
    """Mean time from one word to the next."""
    passes: int = 1
    """How often all the background is heard, each time with other words."""


@dataclass(frozen=True)
class Tuning:
    """What thresholds are chosen for, and where they are written."""

    false_accepts_per_hour: float
    """At most, of all keywords together."""
    also: Sequence[Path] = ()
    """Other files of the same model that get the same thresholds."""


def stream(
    model: str | Path | None, plan: Plan, out: Path, tuning: Tuning | None = None, room: Room | None = None
) -> dict[str, Any]:
    """Let a model listen to a stream; choose and write its thresholds, if wanted.

    The model hears the stream once; all other thresholds are tried on the scores of that pass.

    Args:
        model: file or shipped name; None: the shipped default. Tuning needs a file.
        plan: of the stream.
        out: gets stream.json.
        tuning: changes the model's file; the report is that of the tuned model.
        room: where the stream is played and recorded again; None: straight from the files.

    Returns:
        the content of stream.json.

    Raises:
        InputError: a model or folder that cannot be used, or a model that must not be written.
    """
    spotter = Spotter.load(model)
    manifest = spotter.manifest
    if not manifest.keywords:
        raise InputError(f"{manifest.name}: hears no keywords; give a model with a keyword head")
    files = check_writable(model, tuning.also, manifest.keywords) if tuning else []
    if tuning and plan.speech is None:
        raise InputError("--tune weighs false accepts against misses; give words with --speech")
    rate = manifest.front_end.sample_rate_hz
    bed = background(plan.negatives, plan.noise, plan.split, manifest.keywords)
    words = _words(plan, manifest)
    passages = bed.passages * plan.passes
    segments: Iterable[Segment] = compose(passages, words, plan.snr_db, rate, plan.seed, plan.pitch_s)
    if room is not None:
        segments = _played(segments, room, rate)
    trace = listen(spotter, tqdm(segments, "listening", len(passages), unit="recording", leave=False))
    if words and not trace.script.targets:
        raise InputError(f"{plan.negatives}: no place for a word in it; give longer recordings")
    swept = sweep(trace)
    events = trace.events
    if tuning:
        chosen = best_thresholds(swept, trace.script.hours(), tuning.false_accepts_per_hour)
        events = tuple(replay(trace, tuned(manifest, chosen, tuning.false_accepts_per_hour)))
        written = [_write(path, chosen, tuning.false_accepts_per_hour) for path in files]
        manifest = written[0]
    verdicts = {keyword: judge(events, trace.script, keyword) for keyword in manifest.keywords}
    report = {
        "model": manifest.name,
        "hash": manifest.hash,
        **({"tuned_from": trace.manifest.hash} if tuning else {}),
        "tuned_to": manifest.decoder.false_accepts_per_hour,
        **_conditions(plan, bed, room),
        **_figures(trace, verdicts, manifest),
        "curve": curve(swept, trace.script),
    }
    atomic.write_text(out / REPORT, json_text(report, indent=1) + "\n")
    return report


def _words(plan: Plan, manifest: Manifest) -> list[Recording]:
    """The split's keywords, at most a window long, without silent clips."""
    if plan.speech is None:
        return []
    front_end = manifest.front_end
    clips = [clip for clip in read_dataset(plan.speech).split(plan.split) if clip.label in manifest.keywords]
    if not clips:
        raise InputError(
            f"{plan.speech}: no keyword of the model in the {plan.split} split; "
            f"it hears {', '.join(manifest.keywords)}"
        )
    words = read_recordings(clips, [clip.label for clip in clips], front_end.sample_rate_hz, "speech")
    most = front_end.clip_samples
    cut = [replace(w, samples=centred(w.samples, most)) if len(w.samples) > most else w for w in words]
    return [word for word in cut if power(word.samples) > 0]


def _played(segments: Iterable[Segment], room: Room, sample_rate_hz: int) -> Iterator[Segment]:
    for segment in segments:
        yield replace(segment, samples=room.play(segment.samples, sample_rate_hz))


def _write(path: Path, thresholds: dict[str, float], false_accepts_per_hour: float) -> Manifest:
    file = model_file.read(path)
    manifest = tuned(file.manifest, thresholds, false_accepts_per_hour)
    return model_file.write(path, file.model, manifest, file.verifier).manifest


def _conditions(plan: Plan, bed: Background, room: Room | None) -> dict[str, Any]:
    return {
        "split": plan.split,
        "split_by": _split_by(plan),
        "snr_db": plan.snr_db if plan.speech is not None else None,
        "seed": plan.seed,
        "pitch_s": plan.pitch_s,
        "passes": plan.passes,
        "played": room.name if room is not None else None,
        "transcribed": bed.transcribed,
        "left_out_without_transcript": [path.name for path in bed.left_out],
    }


def _split_by(plan: Plan) -> dict[str, str]:
    if plan.split == "all":
        return {}
    return split_rules(Folders(speech=plan.speech, negatives=plan.negatives, noise=plan.noise))


def _figures(trace: Trace, verdicts: dict[str, Verdict], manifest: Manifest) -> dict[str, Any]:
    script, whole = trace.script, together(list(verdicts.values()))
    return {
        "hours": round(script.hours(), 5),
        **counts(whole, script.hours()),
        "false_accepts_on_words": on_words(whole, script),
        "latency_ms": latency_ms(whole),
        "over": by_passage(whole, script),
        "false_events": false_events(whole, script),
        "per_keyword": {
            keyword: {
                "threshold": manifest.decoder.thresholds[keyword],
                **counts(verdict, script.hours()),
                "latency_ms": latency_ms(verdict),
            }
            for keyword, verdict in verdicts.items()
        },
    }
