"""Listeners for a stream: our models, and other projects' engines."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kws_device import Event, InputError, Spotter
from kws_device.model import model_file
from kws_device.model.engine import kinds

from ..peers import environments
from ..peers.environments import Peer
from ..peers.peer_process import PEERS_RATE_HZ, Step, hear
from . import trace
from .compose import Segment
from .matching import Script, ScriptWriter

_REFRACTORY_S = 1.0
"""A peer's word is not reported again so soon after its score fell."""


class Heard(Protocol):
    """What a listener made of a stream."""

    @property
    def script(self) -> Script:
        """What was heard."""

    @property
    def events(self) -> Sequence[Event]:
        """At the listener's own thresholds."""

    def at(self, thresholds: Mapping[str, float]) -> Sequence[Event]:
        """The events at other thresholds, by keyword; none below `trace.LEAST_THRESHOLD`."""


class Listener(Protocol):
    """A listener and what it says of itself."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def hash(self) -> str:
        """Changes with all that decides what is heard; hexadecimal."""

    @property
    def thresholds(self) -> Mapping[str, float]:
        """By keyword; at least one."""

    @property
    def tuned_to(self) -> float | None:
        """False accepts per hour that the thresholds were tuned to."""

    @property
    def sample_rate_hz(self) -> int:
        """Of the sound that it takes."""

    def listen(self, segments: Iterable[Segment]) -> Heard:
        """Hear a stream from its beginning."""


class ModelListener:
    """A model file, through the device's own path."""

    def __init__(self, model: str | Path | None) -> None:
        """Load a model file or a shipped one; None: the shipped default.

        Raises:
            InputError: no such model, or one without keywords.
        """
        file = model_file.read(model_file.find(model, kinds(None)))
        self.arming = file.manifest.arming
        """The model's own rules. It is heard without them: `armed.armed_figures` tries them afterwards."""
        self.manifest = file.manifest.with_arming(None)
        self._spotter = Spotter.of(replace(file, manifest=self.manifest))
        if not self.manifest.trained_keywords:
            raise InputError(f"{self.manifest.name}: has no keyword head; give another model")
        self.name, self.hash = self.manifest.name, self.manifest.hash
        self.thresholds = self.manifest.decoder.thresholds
        self.tuned_to = self.manifest.decoder.false_accepts_per_hour
        self.sample_rate_hz = self.manifest.front_end.sample_rate_hz

    def listen(self, segments: Iterable[Segment]) -> trace.Trace:
        """Hear a stream from its beginning."""
        return trace.listen(self._spotter, segments)


class PeerListener:
    """One word of another project's engine, at that project's own threshold."""

    sample_rate_hz = PEERS_RATE_HZ
    tuned_to = None

    def __init__(self, peer: Peer, word: str, cache: Path) -> None:
        """Set up the peer's environment where it is not there yet.

        Raises:
            InputError: that failed, or the peer does not run.
        """
        self._peer, self._word = peer, word
        self._python = environments.environment(peer, cache)
        self.name = f"{peer.name} {word}"
        self.hash = hashlib.sha256(f"{peer.key} {word}".encode()).hexdigest()
        self.thresholds = {word: hear(peer, self._python, word, []).threshold}

    def listen(self, segments: Iterable[Segment]) -> PeerTrace:
        """Hear a stream from its beginning."""
        writer = ScriptWriter()

        def sound() -> Iterator[NDArray[np.float32]]:
            for segment in segments:
                writer.add(segment)
                yield segment.samples

        answers = hear(self._peer, self._python, self._word, sound())
        return PeerTrace(self._word, answers.threshold, answers.steps, writer.script())


@dataclass(frozen=True)
class PeerTrace:
    """What a peer made of a stream."""

    word: str
    threshold: float
    steps: tuple[Step, ...]
    script: Script

    @property
    def events(self) -> list[Event]:
        """At the peer's own threshold."""
        return self.at({self.word: self.threshold})

    def at(self, thresholds: Mapping[str, float]) -> list[Event]:
        """One event each time the score rises over the threshold.

        As our own decoder does, it is silent until the score has fallen and a second has passed since.
        """
        found: list[Event] = []
        held, fell_s = False, -math.inf
        before: Step | None = None
        for step in self.steps:
            if step.score <= thresholds[self.word]:
                continue
            if held and before is not None and step.n > before.n + 1:
                held, fell_s = False, before.end_s
            before = step
            if not held and step.end_s - fell_s >= _REFRACTORY_S:
                held = True
                found.append(Event(self.word, round(step.score, 4), step.end_s, step.end_s, None, None))
        return found
