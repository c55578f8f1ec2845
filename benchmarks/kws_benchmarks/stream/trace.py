"""One pass of a model over a stream, recorded so that other thresholds can be tried without the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kws_device import Event, Manifest, Spotter
from kws_device.decoder import Decoder

from .compose import Segment, Target
from .judge import Script, Span

_TAIL_S = 0.5
"""Silence behind the end, as behind a file."""


@dataclass(frozen=True)
class Trace:
    """What a spotter made of a stream, and what was said in it."""

    manifest: Manifest
    end_s: NDArray[np.float64]
    """Of each decision's window, shape (n,)."""
    scores: dict[str, NDArray[np.float64]]
    """Smoothed, by head, shape (n, labels)."""
    events: tuple[Event, ...]
    """At the model's own thresholds."""
    script: Script


def listen(spotter: Spotter, segments: Iterable[Segment]) -> Trace:
    """Let a spotter hear a stream from its beginning; memory grows by its decisions alone."""
    manifest = spotter.manifest
    tail = np.zeros(round(_TAIL_S * manifest.front_end.sample_rate_hz), dtype=np.float32)
    ends_s: list[NDArray[np.float64]] = []
    scores: dict[str, list[NDArray[np.float64]]] = {head: [] for head in manifest.labels}
    events: list[Event] = []
    targets: list[Target] = []
    spans: list[Span] = []

    def hear(samples: NDArray[np.float32]) -> None:
        decisions = spotter.feed(samples)
        events.extend(decision.event for decision in decisions if decision.event is not None)
        ends_s.append(np.array([decision.end_s for decision in decisions]))
        for head, labels in manifest.labels.items():
            rows = [decision.scores[head] for decision in decisions]
            scores[head].append(np.reshape(rows, (len(rows), len(labels))))

    spotter.reset()
    for segment in segments:
        hear(segment.samples)
        targets += segment.targets
        spans.append(Span(segment.start_s, segment.end_s, segment.passage))
    hear(tail)
    return Trace(
        manifest,
        np.concatenate(ends_s),
        {head: np.concatenate(rows) for head, rows in scores.items()},
        tuple(events),
        Script(tuple(targets), tuple(spans)),
    )


def at_thresholds(manifest: Manifest, thresholds: Mapping[str, float]) -> Manifest:
    """The manifest with other thresholds, the same in every scene."""
    decoder = replace(manifest.decoder, thresholds=dict(thresholds), scene_thresholds={})
    return replace(manifest, decoder=decoder)


def replay(trace: Trace, manifest: Manifest) -> list[Event]:
    """The events that the device's decoder makes of the very same scores by another manifest.

    Args:
        trace: of one pass.
        manifest: that of the trace with other thresholds.
    """
    decoder = Decoder(manifest)
    events = []
    for i, end_s in enumerate(trace.end_s.tolist()):
        decision = decoder.decide_smoothed({head: rows[i] for head, rows in trace.scores.items()}, end_s)
        if decision.event is not None:
            events.append(decision.event)
    return events
