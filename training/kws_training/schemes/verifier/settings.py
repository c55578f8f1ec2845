"""The settings of a trained verifier, and the manifest that follows from them."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.schema import build, plain
from kws_device.model.manifest import KEYWORD_HEAD, SCHEMA, Manifest, Source
from kws_device.model.manifest_parts import VerifierConfig

MODEL = "verifier.keras"
SETTINGS = "verifier.json"
WINDOWS = "representative.npz"
"""`windows`: normalised mels as the verifier sees them, float16, shape (n, frames, mels), shuffled."""


@dataclass(frozen=True)
class Settings:
    """When the verifier is asked, and what its answer means; the content of SETTINGS."""

    first: str
    """Content hash of the first network's file, on whose candidates the verifier was trained."""
    verifier: VerifierConfig
    """For the manifest; export fills in what its file gives, and that file's digest."""
    candidate_smoothing_s: float
    """Time over which the first network's keyword scores are averaged."""
    thresholds: dict[str, float]
    """The calibrated score that each keyword must exceed."""
    false_accepts_per_hour: float | None
    """What the thresholds were tuned to; null: not tuned on data."""
    sources: tuple[Source, ...]
    """What the verifier was trained on."""
    recipe: dict[str, Any]
    """The resolved recipe of the verifier, its seed among it."""
    metrics: dict[str, Any]
    """What was measured on validation."""

    def manifest(self, first: Manifest, softmax: bool) -> Manifest:
        """The manifest of a file with both networks, not sealed yet.

        Args:
            first: of the first network's file.
            softmax: whether the verifier's file gives logits.

        Raises:
            ValueError: the verifier does not fit the first network.
        """
        heads = tuple(
            replace(head, smoothing_s=self.candidate_smoothing_s) if head.name == KEYWORD_HEAD else head
            for head in first.heads
        )
        decoder = replace(
            first.decoder,
            thresholds=self.thresholds,
            scene_thresholds={},
            smoothing_s={},
            false_accepts_per_hour=self.false_accepts_per_hour,
        )
        verifier = replace(self.verifier, softmax=softmax)
        # Thresholds of arming were for scores of the first network; the verifier has others.
        arming = None if first.arming is None else replace(first.arming, thresholds={})
        return replace(
            first,
            schema=max(first.schema, SCHEMA),
            arming=arming,
            heads=heads,
            decoder=decoder,
            verifier=verifier,
            sources=(*first.sources, *(source for source in self.sources if source not in first.sources)),
            recipe={**first.recipe, "verifier": self.recipe},
            metrics={**first.metrics, "verifier": self.metrics},
        )


def write(settings: Settings, run: Path) -> None:
    """Write SETTINGS into the folder of a run. Raises InputError where it cannot be written."""
    atomic.write_text(run / SETTINGS, json.dumps(plain(settings), indent=1, allow_nan=False) + "\n")


def read(run: Path) -> Settings:
    """The settings of a run.

    Raises:
        InputError: no run of a verifier, or one whose settings are damaged.
    """
    path = run / SETTINGS
    if not path.is_file():
        raise InputError(f"{run}: no run of a verifier, {SETTINGS} is missing; name the folder of one")
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); train the verifier again") from error
    return build(Settings, _nested(data), str(path))


def _nested(data: Any) -> Any:
    """What a run of an earlier version wrote, whose table had the verifier's values among its own."""
    if not isinstance(data, dict) or "verifier" in data:
        return data
    names = {field.name for field in fields(VerifierConfig)}
    verifier = {key: value for key, value in data.items() if key in names}
    others = {key: value for key, value in data.items() if key not in names}
    return {**others, "verifier": {**verifier, "softmax": False, "sha256": ""}}
