"""The pipeline: samples to log-mel frames to scores to events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .activity_gate import ActivityGate
from .decoder import Decoder
from .events import Clip, Decision, Event
from .front_end import Workspace, log_mel, silent_frame
from .levels import as_float, dbfs, peak, rms
from .model import model_file
from .model.engine import Engine, kinds, load_embedding, load_engine, load_verifier
from .model.manifest import KEYWORD_HEAD, Manifest
from .model.model_file import ModelFile
from .overrides import with_thresholds
from .ring_buffer import Ring
from .sources import AudioSource
from .taught_words import TaughtWords
from .verifier import Verifier


class Spotter:
    """Hears keywords. Feed it sound in blocks of any size, or let it listen to a source."""

    def __init__(
        self,
        manifest: Manifest,
        engine: Engine,
        skip_silence: bool = False,
        verifier: Engine | None = None,
        embedding: Engine | None = None,
    ) -> None:
        """Everything about sound and decisions comes from the manifest.

        Args:
            manifest: of the model.
            engine: of its first network.
            skip_silence: whether the engine is asked only about once a second while nothing stands out from
                a quiet room (ActivityGate); its last scores count in between.
            verifier: the engine of the second network, where the model has one.
            embedding: the engine of the embedding, where words were taught.

        Raises:
            ValueError: a verifier without one in the manifest, or the reverse; taught words without an
                engine of the embedding.
        """
        if (verifier is None) != (manifest.verifier is None):
            raise ValueError(f"{manifest.name}: engine and manifest must both have a verifier, or neither")
        if manifest.taught and embedding is None:
            raise ValueError(f"{manifest.name}: taught words need the engine of the embedding")
        config = manifest.front_end
        self.manifest = manifest
        self._engine = engine
        self._decoder = Decoder(manifest)
        self._rate_hz = config.sample_rate_hz
        self._step = round(self._rate_hz * manifest.decoder.decision_ms / 1000)
        new_frames = self._step // config.hop_samples
        first = (config.frames - new_frames) * config.hop_samples
        self._newest = slice(first, first + config.span_samples(new_frames))
        self._workspace = Workspace(config, new_frames)
        self._incremental = config.incremental
        self._verifier = None if verifier is None else Verifier(manifest, verifier)
        # Without taught words the embedding is never asked.
        self._taught = TaughtWords(manifest, embedding) if manifest.taught and embedding else None
        self._clip_samples = config.clip_samples
        self._samples = Ring(round(self._rate_hz * manifest.seen_ms / 1000))
        silence = engine.prepare(silent_frame(config, manifest.normalisation)[None])
        self._frames = Ring(config.frames, (config.mels,), silence.dtype, fill=silence)
        self._gate: ActivityGate | None = None
        if skip_silence and self._incremental:
            self._can_be_events = np.isin(manifest.labels.get(KEYWORD_HEAD, ()), manifest.trained_keywords)
            self._gate = ActivityGate(config, new_frames, manifest.decoder.decision_ms / 1000)
        self.reset()

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        thresholds: dict[str, float] | None = None,
        engine: str | None = None,
        skip_silence: bool = False,
    ) -> Spotter:
        """A spotter from a model file or a shipped model's name; None: the shipped default.

        Args:
            model: path or name.
            thresholds: by keyword, instead of the model's own in every scene.
            engine: the package that is to run the model; None: the first that is installed.
            skip_silence: see the constructor.

        Raises:
            InputError: no such model, one that does not hold together, or an unknown keyword.
        """
        return cls.of(
            model_file.read(model_file.find(model, kinds(engine))), thresholds, engine, skip_silence
        )

    @classmethod
    def of(
        cls,
        file: ModelFile,
        thresholds: dict[str, float] | None = None,
        engine: str | None = None,
        skip_silence: bool = False,
    ) -> Spotter:
        """A spotter from a model file that has been read. Arguments and errors as those of `load`."""
        manifest = with_thresholds(file.manifest, thresholds or {})
        embedding = load_embedding(file, engine) if manifest.taught else None
        verifier = load_verifier(file, engine)
        return cls(manifest, load_engine(file, engine), skip_silence, verifier, embedding)

    def set_thresholds(self, thresholds: Mapping[str, float]) -> None:
        """Change thresholds by keyword, in every scene, from the next decision on.

        Raises:
            InputError: an unknown keyword, or a threshold out of its range.
        """
        self.manifest = with_thresholds(self.manifest, thresholds)
        self._decoder.set_thresholds(self.manifest)

    def arm(self) -> bool:
        """Let the model's commands count from the next decision on, as after the word that arms them.

        Returns:
            False where the model has no commands (`Manifest.arming`).
        """
        return self._decoder.arm()

    def reset(self, start_s: float = 0.0) -> None:
        """Forget all sound: afterwards the spotter equals a new one whose time begins at `start_s`."""
        self._samples.reset()
        self._frames.reset()
        self._decoder.reset()
        for part in (self._verifier, self._taught):
            if part is not None:
                part.reset()
        if self._gate is not None:
            self._gate.reset()
        self._filled = 0
        self._decisions = 0
        self._start_s = start_s

    def feed(self, samples: NDArray[np.floating[Any] | np.int16]) -> list[Decision]:
        """Take a block of sound and return the decisions that fall in it, often none.

        Args:
            samples: mono at the model's rate, shape (n,), any n: floating point with full scale 1.0, or
                int16, as sound cards and wav files have it, with full scale 32768.

        Raises:
            TypeError: samples of another type.
            ValueError: samples of another shape, or one that is not finite.
        """
        return list(self.decisions_in(samples))

    def decisions_in(self, samples: NDArray[np.floating[Any] | np.int16]) -> Iterator[Decision]:
        """The same as an iterator, for those who need `clip` as it is at each decision.

        Sound is taken in as far as the iterator is read, and no further. Raises as `feed` does.
        """
        samples = as_float(samples)
        while len(samples):
            n = min(self._step - self._filled, len(samples))
            self._samples.write(samples[:n])
            self._filled += n
            samples = samples[n:]
            if self._filled == self._step:
                self._filled = 0
                yield self._decide()

    def _decide(self) -> Decision:
        newest = self.newest()
        level_dbfs = dbfs(rms(newest))
        scores = self._scores(level_dbfs)
        self._decisions += 1
        # In whole steps, so that times do not drift in a year.
        elapsed_s = self._decisions * self._step / self._rate_hz
        end_s = round(self._start_s + elapsed_s, 3)
        look = self._verifier.look if self._verifier else None
        taught = self._taught.look(scores.get(KEYWORD_HEAD), level_dbfs) if self._taught else {}
        decision = self._decoder.decide(scores, end_s, look, taught)
        clip = None if decision.event is None else Clip(self.stretch().copy(), self._rate_hz)
        return replace(decision, level_dbfs=level_dbfs, peak_dbfs=dbfs(peak(newest)), clip=clip)

    def _scores(self, level_dbfs: float) -> dict[str, NDArray[np.float32]]:
        config = self.manifest.front_end
        if not self._incremental:
            return self._engine.run(self._prepared(log_mel(self.clip(), config)))
        mels = log_mel(self.clip()[self._newest], config, self._workspace)
        silent = self._gate is not None and self._gate.is_silent(mels, level_dbfs)
        normalised = self.manifest.normalisation.apply(mels, out=mels)
        for part in (self._verifier, self._taught):
            if part is not None:
                part.hear(normalised)
        self._frames.write(self._engine.prepare(normalised))
        if not silent:
            self._last = self._engine.run(self._frames.read())
            if self._gate is not None:
                self._gate.asked(self._hears_a_keyword(self._last))
        return self._last

    def _hears_a_keyword(self, scores: dict[str, NDArray[np.float32]]) -> bool:
        """Whether a label that can become an event leads the keyword's head."""
        return KEYWORD_HEAD in scores and bool(self._can_be_events[scores[KEYWORD_HEAD].argmax()])

    def _prepared(self, mels: NDArray[np.float32]) -> NDArray[Any]:
        return self._engine.prepare(self.manifest.normalisation.apply(mels, out=mels))

    def newest(self) -> NDArray[np.float32]:
        """At a decision the sound since the one before; a view until more is fed."""
        return self._samples.read()[-self._step :]

    def clip(self) -> NDArray[np.float32]:
        """The newest sound, at a decision its window; shape (clip samples,), a view until more is fed."""
        return self._samples.read()[-self._clip_samples :]

    def stretch(self) -> NDArray[np.float32]:
        """The newest sound, as much as the model sees at once, its verifier too; a view until more is fed."""
        return self._samples.read()

    def decisions(self, source: AudioSource) -> Iterator[Decision]:
        """Every decision on a source, from its beginning. Raises as the source does."""
        self.reset()
        for block in source.blocks(self.manifest.front_end.sample_rate_hz):
            yield from self.decisions_in(block)

    def listen(self, source: AudioSource) -> Iterator[Event]:
        """The keywords heard in a source, as they are heard. Raises as the source does."""
        for decision in self.decisions(source):
            if decision.event is not None:
                yield decision.event
