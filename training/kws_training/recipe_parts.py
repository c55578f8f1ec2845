"""What recipes of either scheme have."""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True)
class ExportLimits:
    """How far exported files may be from the trained model; kws-export writes nothing that is further."""

    windows: int
    """Decisions on real sound that each file is held against the model on, at least; about so many seconds of
    a split are heard."""
    keyword_loss_points: float
    """Accuracy that an int8 file may lose with the keyword head; one window may always be lost."""
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
        if self.windows < 1:
            raise ValueError("windows must be at least 1")
        if min(self.keyword_loss_points, self.scene_loss_points, self.float_difference) < 0:
            raise ValueError("losses and differences must not be negative")
        if not all(0 <= share <= 1 for share in (self.int8_agreement, self.formats_agreement)):
            raise ValueError("agreements are shares, from 0 to 1")


@dataclass(frozen=True)
class Provenance:
    """`NAME; LICENCE` of each folder for the manifest; empty: what its layout is known for."""

    speech: str
    scenes: str
    negatives: str
    voices: str
    noise: str
