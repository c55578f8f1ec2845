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
class Provenance:
    """`NAME; LICENCE` of each folder for the manifest; empty: what its layout is known for."""

    speech: str
    scenes: str
    negatives: str
    noise: str
