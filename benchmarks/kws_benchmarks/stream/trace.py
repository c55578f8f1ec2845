"""One pass of a model over a stream, recorded so that other thresholds can be tried without the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kws_device import Decision, Event, Manifest, Spotter
from kws_device.arming import always_armed
from kws_device.decoder import Decoder
from kws_device.model.manifest import KEYWORD_HEAD

from .compose import Segment
from .matching import Script, ScriptWriter

_TAIL_S = 0.5
"""Silence behind the end, as behind a file."""
LEAST_THRESHOLD = 0.05
"""The smallest threshold that can be tried, unless the model's own are smaller."""


@dataclass(frozen=True)
class Trace:
    """What a model made of a stream: the decisions at which some threshold could report a keyword."""

    manifest: Manifest
    index: NDArray[np.int64]
    """Of each recorded decision among all decisions, shape (n,)."""
    end_s: NDArray[np.float64]
    """Of its window, shape (n,)."""
    scores: dict[str, NDArray[np.float64]]
    """Smoothed, by head, shape (n, labels)."""
    verified: dict[int, Mapping[str, float]]
    """The verifier's scores by keyword, by the row of the decision in these arrays."""
    events: tuple[Event, ...]
    """At the model's own thresholds."""
    script: Script

    def at(self, thresholds: Mapping[str, float]) -> list[Event]:
        """The events at other thresholds, the same in every scene; none below LEAST_THRESHOLD."""
        return replay(self, at_thresholds(self.manifest, thresholds))


def listen(spotter: Spotter, segments: Iterable[Segment]) -> Trace:
    """Let a spotter hear a stream from its beginning.

    Of the sound one segment is in memory at a time. Only decisions at which a keyword's score exceeds the
    lowest threshold of interest are kept, some hundred bytes each.
    """
    manifest = spotter.manifest
    tail = np.zeros(round(_TAIL_S * manifest.front_end.sample_rate_hz), dtype=np.float32)
    columns, least = _of_interest(manifest)
    count = 0
    kept: list[tuple[int, Decision]] = []
    events: list[Event] = []
    writer = ScriptWriter()

    def hear(samples: NDArray[np.float32]) -> None:
        nonlocal count
        for decision in spotter.feed(samples):
            if decision.verified or (decision.scores[KEYWORD_HEAD][columns] > least).any():
                kept.append((count, decision))
            if decision.event is not None:
                events.append(decision.event)
            count += 1

    spotter.reset()
    for segment in segments:
        writer.add(segment)
        hear(segment.samples)
    hear(tail)
    return Trace(
        manifest,
        np.array([n for n, _ in kept], dtype=np.int64),
        np.array([decision.end_s for _, decision in kept]),
        {
            head: np.reshape([decision.scores[head] for _, decision in kept], (len(kept), len(labels)))
            for head, labels in manifest.labels.items()
        },
        {row: decision.verified for row, (_, decision) in enumerate(kept) if decision.verified},
        tuple(events),
        writer.script(),
    )


def _of_interest(manifest: Manifest) -> tuple[list[int], NDArray[np.float64]]:
    """The keywords' columns of their head, and the first network's smallest score of each that matters."""
    columns = [manifest.labels[KEYWORD_HEAD].index(word) for word in manifest.trained_keywords]
    return columns, np.minimum(LEAST_THRESHOLD, _lowest(manifest))


def _lowest(manifest: Manifest) -> NDArray[np.float64]:
    """By keyword, the score of the first network up to which nothing begins and nothing goes on.

    With a verifier that is the candidate's threshold: the others are for the verifier's scores.
    """
    decoder = always_armed(manifest).decoder
    tables = [decoder.thresholds, *decoder.scene_thresholds.values()]
    if manifest.verifier is not None:
        tables = [manifest.verifier.candidate_thresholds]
    return np.array(
        [min(table[word] for table in tables if word in table) for word in manifest.trained_keywords]
    )


def at_thresholds(manifest: Manifest, thresholds: Mapping[str, float]) -> Manifest:
    """The manifest with other thresholds, the same in every scene."""
    decoder = replace(manifest.decoder, thresholds=dict(thresholds), scene_thresholds={})
    return replace(manifest, decoder=decoder)


def replay(trace: Trace, manifest: Manifest) -> list[Event]:
    """The events that the device's decoder makes of the very same scores by another manifest.

    A decision at which no keyword exceeds its threshold, and the verifier tells nothing, changes nothing but
    the time since the last report. A run of them is replaced by as many with scores of zero as the decoder
    can tell apart.

    Args:
        trace: of one pass.
        manifest: that of the trace with other thresholds or other rules of arming.
    """
    decoder = Decoder(manifest)
    columns, _ = _of_interest(manifest)
    over = (trace.scores[KEYWORD_HEAD][:, columns] > _lowest(manifest)).any(axis=1)
    active = sorted({*np.flatnonzero(over).tolist(), *trace.verified})
    nothing = {head: np.zeros(len(labels)) for head, labels in manifest.labels.items()}
    events = []
    before = -1
    for i in active:
        index = int(trace.index[i])
        for _ in range(min(index - before - 1, decoder.memory)):
            decoder.decide_smoothed(nothing, 0.0)
        scores = {head: rows[i] for head, rows in trace.scores.items()}
        decision = decoder.decide_smoothed(scores, float(trace.end_s[i]), trace.verified.get(i, {}))
        if decision.event is not None:
            events.append(decision.event)
        before = index
    return events
