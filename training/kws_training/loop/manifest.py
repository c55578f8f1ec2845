"""The manifest of a model as training knows it; export adds metrics and the hash."""

from __future__ import annotations

from kws_device import InputError
from kws_device._support.schema import plain
from kws_device.front_end import Normalisation
from kws_device.model.manifest import (
    KEYWORD_HEAD,
    SCENE_HEAD,
    SCHEMA,
    SILENCE,
    UNKNOWN,
    DecoderConfig,
    Head,
    Manifest,
    Source,
)

from ..data.corpus import Folders, provenance
from ..recipes.parts import RunRecipe
from . import runs

_NOT_EVENTS = (UNKNOWN, SILENCE)


def first_manifest(
    recipe: RunRecipe, folders: Folders, heads: dict[str, tuple[str, ...]], normalisation: Normalisation
) -> Manifest:
    """What a device must know of a model that is about to be trained.

    Args:
        recipe: fully resolved.
        folders: where the data lies, for the licences.
        heads: labels by head; `_unknown_` and `_silence_` are no events.
        normalisation: of the model's input.

    Raises:
        InputError: parts that do not fit each other, or labels that no manifest can carry.
    """
    try:
        return _first_manifest(recipe, folders, heads, normalisation)
    except ValueError as error:
        raise InputError(f"recipe {recipe.name}: {error}") from error


def _first_manifest(
    recipe: RunRecipe, folders: Folders, heads: dict[str, tuple[str, ...]], normalisation: Normalisation
) -> Manifest:
    decoder = recipe.decoder
    quiet = {name: tuple(label for label in labels if label in _NOT_EVENTS) for name, labels in heads.items()}
    smoothing = {KEYWORD_HEAD: decoder.keyword_smoothing_s, SCENE_HEAD: decoder.scene_smoothing_s}
    return Manifest(
        schema=SCHEMA,
        name=recipe.name,
        front_end=recipe.front_end,
        normalisation=normalisation,
        heads=tuple(
            Head(name, labels, quiet[name], smoothing[name], softmax=False) for name, labels in heads.items()
        ),
        decoder=DecoderConfig(
            decision_ms=decoder.decision_ms,
            refractory_s=decoder.refractory_s,
            scene_thresholds={},
            smoothing_s={},
            thresholds={
                label: decoder.threshold for label in heads.get(KEYWORD_HEAD, ()) if label not in _NOT_EVENTS
            },
            false_accepts_per_hour=None,
        ),
        verifier=None,
        sources=tuple(Source(name, licence) for name, licence in provenance(folders, recipe.provenance)),
        recipe=plain(recipe),
        metrics={},
        versions=runs.versions(),
        hash="",
    )
