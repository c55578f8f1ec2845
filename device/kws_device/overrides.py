"""Settings of a user that replace those of the model file: thresholds and arming."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ._support.errors import InputError
from .model.manifest import Manifest
from .model.manifest_parts import ArmingConfig

_ARMED_S = 5.0


@dataclass(frozen=True)
class ArmingOptions:
    """Rules of arming, as far as they are given; for the rest, those of the model hold."""

    armed_by: str | None = None
    """The keyword that arms. Where it is not the one of the model, it arms all other keywords."""
    armed_s: float | None = None
    """For so long; 5 s where neither the user nor the model says."""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    """Of commands, while they are armed."""


def with_thresholds(manifest: Manifest, thresholds: Mapping[str, float]) -> Manifest:
    """The manifest with other thresholds, which count in every scene, and also while armed.

    Args:
        manifest: of a model.
        thresholds: by keyword, 0 to 1; all others stay.

    Raises:
        InputError: an unknown keyword, or a threshold out of its range.
    """
    for word, threshold in thresholds.items():
        if word not in manifest.keywords:
            raise InputError(f"{word}: not a keyword of the model; those are {', '.join(manifest.keywords)}")
        if not 0 <= threshold <= 1:
            raise InputError(f"{word}={threshold:g}: a threshold lies between 0 and 1")
    decoder = replace(
        manifest.decoder,
        thresholds={**manifest.decoder.thresholds, **thresholds},
        scene_thresholds={
            scene: {word: p for word, p in table.items() if word not in thresholds}
            for scene, table in manifest.decoder.scene_thresholds.items()
        },
    )
    arming = manifest.arming
    if arming is not None:
        armed = {word: p for word, p in arming.thresholds.items() if word not in thresholds}
        arming = replace(arming, thresholds=armed)
    return replace(manifest, decoder=decoder, arming=arming)


def with_arming(manifest: Manifest, options: ArmingOptions) -> Manifest:
    """The manifest with the rules of arming that are given.

    Raises:
        InputError: a time or thresholds where no word arms, or what does not fit the model.
    """
    if options == ArmingOptions():
        return manifest
    own, armed_by = manifest.arming, options.armed_by
    if own is None and armed_by is None:
        raise InputError(f"{manifest.name}: no word of this model arms others; give --armed-by WORD")
    if own is None or armed_by not in (None, own.armed_by):
        others = tuple(word for word in manifest.keywords if word != armed_by)
        if armed_by not in manifest.keywords or not others:
            raise InputError(
                f"--armed-by {armed_by}: the model has no such keyword, or no other one; "
                f"its keywords are {', '.join(manifest.keywords)}"
            )
        own = ArmingConfig(armed_by, _ARMED_S, others, {})
    try:
        changed = replace(
            own,
            armed_s=own.armed_s if options.armed_s is None else options.armed_s,
            thresholds={**own.thresholds, **options.thresholds},
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    return manifest.with_arming(changed)
