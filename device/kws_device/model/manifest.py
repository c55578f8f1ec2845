"""The manifest: everything that a device must know about a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .._support.schema import check_range, listed
from ..front_end import MelConfig, Normalisation
from .manifest_parts import MOST_LABELS, ArmingConfig, VerifierConfig, check_name
from .taught_words import EmbeddingConfig, TaughtWord, check_taught

SCHEMA = 4
"""Of a new manifest without `arming`."""
ARMING_SCHEMA = 5
EMBEDDING_SCHEMA = 6
READABLE = (3, SCHEMA, ARMING_SCHEMA, EMBEDDING_SCHEMA)
"""Schemas that are read: 4 is 3 with `verifier`, 5 is 4 with `arming`, 6 is 5 with `embedding` and `taught`.

A file keeps its schema.
"""

UNKNOWN = "_unknown_"
SILENCE = "_silence_"
KEYWORD_HEAD = "keyword"
SCENE_HEAD = "scene"
VERIFIER_OUTPUT = "verifier"
"""The name of the verifier's only output."""

_LONGEST_SOURCE = 300
"""In characters: it may be the name of a folder."""
_LONGEST_SMOOTHING_S = 10.0
_LONGEST_REFRACTORY_S = 60.0
_SHORTEST_DECISION_MS = 10.0


@dataclass(frozen=True)
class Head:
    """One question that the model answers about the last second."""

    name: str
    """`keyword` or `scene`; also the name of the model's output."""
    labels: tuple[str, ...]
    """In the order of the output's values."""
    not_events: tuple[str, ...]
    """Labels that never become an event."""
    smoothing_s: float
    """Scores are averaged over the decisions of this time."""
    softmax: bool
    """Whether the model gives logits, whose softmax are the scores; else it gives the scores."""

    def __post_init__(self) -> None:
        """Raises ValueError for labels that are none, or a smoothing that is none."""
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"the labels of head {self.name} are empty or not distinct")
        check_range(f"the number of labels of head {self.name}", len(self.labels), 1, MOST_LABELS)
        for label in self.labels:
            check_name("a label", label)
        if unknown := set(self.not_events) - set(self.labels):
            raise ValueError(f"head {self.name} has no label {listed(unknown)}")
        check_range(f"smoothing_s of head {self.name}", self.smoothing_s, 0, _LONGEST_SMOOTHING_S)


@dataclass(frozen=True)
class DecoderConfig:
    """When a score becomes an event."""

    decision_ms: float
    """From one decision to the next."""
    refractory_s: float
    """A keyword is silent for so long after its score fell below the threshold."""
    thresholds: dict[str, float]
    """What the score of each keyword must exceed: the smoothed one, or the verifier's where there is one."""
    scene_thresholds: dict[str, dict[str, float]]
    """By scene, then by keyword: what it must exceed instead while that scene leads its head."""
    smoothing_s: dict[str, float]
    """Of the keywords whose scores are averaged over another time than their head's."""
    false_accepts_per_hour: float | None
    """What the thresholds were tuned to; null: not tuned on data."""

    def __post_init__(self) -> None:
        """Raises ValueError for a number out of its range."""
        # Every decision costs a run of the model. The longest, one clip, is checked with the front end.
        check_range("decision_ms", self.decision_ms, _SHORTEST_DECISION_MS, 10_000)
        check_range("refractory_s", self.refractory_s, 0, _LONGEST_REFRACTORY_S)
        if self.false_accepts_per_hour is not None:
            check_range("false_accepts_per_hour", self.false_accepts_per_hour, 0, 3600)
        for word, seconds in self.smoothing_s.items():
            check_range(f"smoothing_s of {word}", seconds, 0, _LONGEST_SMOOTHING_S)
        for table in (self.thresholds, *self.scene_thresholds.values()):
            for word, threshold in table.items():
                check_range(f"the threshold of {word}", threshold, 0, 1)


@dataclass(frozen=True)
class Source:
    """Data that the model was trained on."""

    name: str
    """The dataset's published name, or what the folder is."""
    licence: str
    """Its licence and whom to name."""

    def __post_init__(self) -> None:
        """Raises ValueError for a name that cannot be printed."""
        check_name("the name of a source", self.name, _LONGEST_SOURCE)


@dataclass(frozen=True)
class Manifest:
    """Everything that a device must know about a model."""

    schema: int
    """Version of this layout."""
    name: str
    """What people call the model."""
    front_end: MelConfig
    normalisation: Normalisation
    heads: tuple[Head, ...]
    decoder: DecoderConfig
    verifier: VerifierConfig | None
    """None: what the first network says is final."""
    sources: tuple[Source, ...]
    recipe: dict[str, Any]
    """The resolved recipe, its seed among it."""
    metrics: dict[str, Any]
    """Accuracies of the float and of the int8 model."""
    versions: dict[str, str]
    """Of the packages that made the model."""
    hash: str
    """sha256 over the model's bytes and this manifest without the hash."""
    arming: ArmingConfig | None = None
    """None: every keyword counts at any time."""
    embedding: EmbeddingConfig | None = None
    """None: no words can be taught."""
    taught: tuple[TaughtWord, ...] = ()
    """Words that were taught with the embedding."""

    def __post_init__(self) -> None:
        """Raises ValueError where a part is out of its range, or the parts do not fit each other."""
        check_name("the model's name", self.name)
        names = [head.name for head in self.heads]
        if not names or len(set(names)) != len(names) or set(names) - {KEYWORD_HEAD, SCENE_HEAD}:
            raise ValueError(f"heads must be {KEYWORD_HEAD}, {SCENE_HEAD} or both, not {names}")
        bands = {len(self.normalisation.mean_db), len(self.normalisation.std_db)}
        if bands != {self.front_end.mels}:
            raise ValueError(f"the normalisation is not for {self.front_end.mels} mel bands")
        if not self._decides_on_a_grid():
            raise ValueError(
                "decision_ms must be at most one clip, and a whole number of hops "
                "(of samples where frames are centred or top_db is set)"
            )
        if set(self.decoder.thresholds) != set(self.keywords):
            raise ValueError(f"the thresholds must be those of {listed(self.keywords) or 'no keyword'}")
        scene_head = self.head(SCENE_HEAD)
        if unknown := set(self.decoder.scene_thresholds) - set(scene_head.labels if scene_head else ()):
            raise ValueError(f"scene_thresholds has {listed(unknown)}, which are no scenes of the model")
        for words in (*self.decoder.scene_thresholds.values(), self.decoder.smoothing_s):
            if unknown := set(words) - set(self.keywords):
                raise ValueError(f"the decoder has {listed(unknown)}, which are no keywords of the model")
        if self.verifier is not None:
            self._check_verifier(self.verifier)
        if self.arming is not None:
            self._check_arming(self.arming)
        if self.embedding is not None:
            self._check_embedding(self.embedding)
        elif self.taught:
            raise ValueError("taught words need an embedding")

    def _check_embedding(self, embedding: EmbeddingConfig) -> None:
        """Raises ValueError where the embedding or the taught words do not fit the model."""
        if self.schema < EMBEDDING_SCHEMA:
            raise ValueError(f"an embedding needs schema {EMBEDDING_SCHEMA}")
        if not self.trained_keywords:
            raise ValueError("an embedding needs a model with keywords")
        self._check_longer("the embedding", embedding.clip_ms)
        for word in self.taught:
            check_name("a taught word", word.word)
        check_taught(self.taught, embedding.size, self.trained_keywords)

    def _check_longer(self, what: str, clip_ms: float) -> None:
        """Raises ValueError where a network cannot look at `clip_ms` of the first network's frames."""
        if not self.front_end.incremental:
            raise ValueError(f"{what} needs a front end without top_db whose frames are not centred")
        hops = clip_ms / self.front_end.hop_ms
        if clip_ms < self.front_end.clip_ms or abs(hops - round(hops)) > 1e-6:
            raise ValueError(f"clip_ms of {what} must be whole hops, at least those of the front end")

    def _check_arming(self, arming: ArmingConfig) -> None:
        """Raises ValueError where arming does not fit the model."""
        if self.schema < ARMING_SCHEMA:
            raise ValueError(f"arming needs schema {ARMING_SCHEMA}")
        if unknown := {arming.armed_by, *arming.commands} - set(self.keywords):
            raise ValueError(f"arming has {listed(unknown)}, which are no keywords of the model")

    def _check_verifier(self, verifier: VerifierConfig) -> None:
        """Raises ValueError where the verifier does not fit the first network."""
        if self.schema < SCHEMA:
            raise ValueError(f"a verifier needs schema {SCHEMA}")
        words = self.trained_keywords
        if not words or not set(words) <= set(verifier.labels):
            raise ValueError("the verifier must know every keyword of the model")
        if set(verifier.candidate_thresholds) != set(words):
            raise ValueError(f"candidate_thresholds must be those of {listed(words)}")
        self._check_longer("the verifier", verifier.clip_ms)
        steps = verifier.delay_ms / self.decoder.decision_ms
        if abs(steps - round(steps)) > 1e-6:
            raise ValueError("delay_ms must be a whole number of decisions")

    def _decides_on_a_grid(self) -> bool:
        front_end = self.front_end
        unit_ms = front_end.hop_ms if front_end.incremental else 1000 / front_end.sample_rate_hz
        most = front_end.frames if front_end.incremental else front_end.clip_samples
        steps = self.decoder.decision_ms / unit_ms
        return 1 <= round(steps) <= most and abs(steps - round(steps)) < 1e-6

    def with_arming(self, arming: ArmingConfig | None) -> Manifest:
        """The manifest with other rules of arming; ValueError where they do not fit the model."""
        schema = self.schema if arming is None else max(self.schema, ARMING_SCHEMA)
        return replace(self, schema=schema, arming=arming)

    def without_verifier(self) -> Manifest:
        """The manifest of the first network alone, for those who measure or train it."""
        trained = {word: self.decoder.thresholds[word] for word in self.trained_keywords}
        decoder = replace(self.decoder, thresholds=trained)
        return replace(self, decoder=decoder, verifier=None, embedding=None, taught=())

    def with_taught(self, words: tuple[TaughtWord, ...], thresholds: dict[str, float]) -> Manifest:
        """The manifest with other taught words, and the thresholds of all keywords.

        Raises:
            ValueError: the words do not fit the model.
        """
        decoder = replace(self.decoder, thresholds=thresholds)
        return replace(self, taught=words, decoder=decoder)

    def head(self, name: str) -> Head | None:
        """The head of that name, or None."""
        return next((head for head in self.heads if head.name == name), None)

    @property
    def seen_ms(self) -> float:
        """How much sound the model sees at once: its later networks see more than the first."""
        further = [part.clip_ms for part in (self.verifier, self.embedding) if part is not None]
        return max([self.front_end.clip_ms, *further])

    @property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Labels by head, in the order of the output's values."""
        return {head.name: head.labels for head in self.heads}

    @property
    def keywords(self) -> tuple[str, ...]:
        """The words that can become an event, the taught ones last."""
        return self.trained_keywords + tuple(word.word for word in self.taught)

    @property
    def trained_keywords(self) -> tuple[str, ...]:
        """The labels of the first network that can become an event."""
        head = self.head(KEYWORD_HEAD)
        return tuple(label for label in head.labels if label not in head.not_events) if head else ()
