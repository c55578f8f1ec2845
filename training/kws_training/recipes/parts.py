"""Settings that recipes of several schemes share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kws_device import InputError
from kws_device._support.schema import check_range, listed
from kws_device.front_end import MelConfig
from kws_device.model.manifest import SILENCE, UNKNOWN

MOST_EPOCHS = 100_000
LARGEST_SEED = 2**31 - 1
"""Keras keeps a seed in 32 bits with a sign."""


def check_fields(table: object, least: float, most: float, *names: str) -> None:
    """Raises ValueError where a field of a table does not lie between `least` and `most`, both allowed."""
    for name in names:
        check_range(name, getattr(table, name), least, most)


def check_epochs(epochs: int) -> None:
    """Raises InputError for a number of epochs on the command line that trains nothing, or for ever."""
    if not 1 <= epochs <= MOST_EPOCHS:
        raise InputError(f"--epochs {epochs}: must be at least 1 and at most {MOST_EPOCHS}")


def check_words(words: Sequence[str]) -> None:
    """Raises ValueError for words that cannot be the labels of a head: repeated, or names of our own."""
    if len(set(words)) != len(words):
        raise ValueError(f"keywords: {listed({w for w in words if words.count(w) > 1})} is there twice")
    if own := {UNKNOWN, SILENCE} & set(words):
        raise ValueError(f"keywords: {listed(own)} is a label of every model, not a word to spot")


def without_keywords(held_out: tuple[str, ...], keywords: tuple[str, ...]) -> tuple[str, ...]:
    """The words that train nothing: those that are asked for are never among them."""
    return tuple(word for word in held_out if word not in keywords)


@dataclass(frozen=True)
class Optimisation:
    """How a network is fitted: AdamW, linear warm-up, cosine decay to zero."""

    epochs: int
    """Passes over an epoch's windows."""
    batch_size: int
    """Windows per step."""
    learning_rate: float
    """At its peak."""
    warmup_share: float
    """Share of the steps from zero to the peak."""
    weight_decay: float
    """Decoupled, of AdamW."""

    def __post_init__(self) -> None:
        """Raises ValueError for values that train nothing."""
        check_fields(self, 1, MOST_EPOCHS, "epochs")
        check_fields(self, 1, 65_536, "batch_size")
        check_fields(self, 1e-9, 10, "learning_rate")
        check_fields(self, 0, 0.99, "warmup_share")
        check_fields(self, 0, 1, "weight_decay")


@dataclass(frozen=True)
class DecoderDefaults:
    """What the manifest tells the decoder before thresholds are tuned on data."""

    decision_ms: float
    """From one decision to the next."""
    keyword_smoothing_s: float
    """Keyword scores are averaged over this time."""
    scene_smoothing_s: float
    """Scene scores are averaged over this time."""
    refractory_s: float
    """Silence of a keyword after its score fell."""
    threshold: float
    """Of every keyword."""

    def __post_init__(self) -> None:
        """Raises ValueError for values that the manifest cannot carry."""
        check_fields(self, 10, 10_000, "decision_ms")
        check_fields(self, 0, 10, "keyword_smoothing_s", "scene_smoothing_s")
        check_fields(self, 0, 60, "refractory_s")
        check_fields(self, 0, 1, "threshold")


@dataclass(frozen=True)
class ExportLimits:
    """How far exported files may be from the trained model; kws-export writes nothing that is further."""

    windows: int
    """Decisions on real sound that each file is held against the model on, at least; about so many seconds of
    a split are heard."""
    keyword_loss_points: float
    """Accuracy that an int8 file may lose with the keyword head; what may be chance may always be lost."""
    scene_loss_points: float
    """The same with the scene head."""
    float_difference: float
    """The largest difference of any score of a float file, the scores lying between 0 and 1."""
    int8_agreement: float
    """Least share of the windows on which a head of an int8 file decides as the model does."""
    formats_agreement: float
    """Least share of the windows on which a head decides alike in both int8 files."""

    def __post_init__(self) -> None:
        """Raises ValueError for limits that mean nothing."""
        check_fields(self, 1, 1_000_000, "windows")
        check_fields(self, 0, 100, "keyword_loss_points", "scene_loss_points")
        check_fields(self, 0, 1, "float_difference", "int8_agreement", "formats_agreement")


@dataclass(frozen=True)
class Provenance:
    """`NAME; LICENCE` of each folder for the manifest; empty: what its layout is known for."""

    speech: str
    scenes: str
    negatives: str
    voices: str
    noise: str


class RunRecipe(Protocol):
    """What every recipe of a keyword spotter says, whichever scheme it is of."""

    @property
    def name(self) -> str:
        """Also the model's name in its manifest."""

    @property
    def about(self) -> str:
        """A sentence for `kws-train --list`."""

    @property
    def scheme(self) -> str:
        """Which scheme it is of."""

    @property
    def seed(self) -> int:
        """Of the weights, the windows and their order."""

    @property
    def keywords(self) -> tuple[str, ...]:
        """Words that become events."""

    @property
    def front_end(self) -> MelConfig:
        """How sound becomes log-mels."""

    @property
    def decoder(self) -> DecoderDefaults:
        """What the manifest tells the decoder."""

    @property
    def export(self) -> ExportLimits:
        """How far exported files may be from the model."""

    @property
    def provenance(self) -> Provenance:
        """What the data is called, and its licences."""
