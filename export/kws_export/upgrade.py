"""Brings model files of earlier schemas to one that devices read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kws_device import InputError
from kws_device.model import containers, model_file
from kws_device.model.manifest_json import canonical, hash_of, parse
from kws_device.model.model_file import ModelFile

from .files import check_names

_OLDEST_READ = 3
"""Devices read manifests from this schema on."""


def upgrade(models: Sequence[Path], out: Path) -> list[ModelFile]:
    """Write model files of schema 1, 2 or 3 as files of schema 3; files that devices read stay as they are.

    The networks are not changed, so the scores are the same.

    Args:
        models: files to upgrade; they stay as they are.
        out: folder for the new files, which have the names of the old ones.

    Returns:
        the written files.

    Raises:
        InputError: a file that is no model, damaged, or of an unknown schema; nothing is written then.
    """
    check_names(models)
    return [
        model_file.rewrite(out / file.path.name, file, file.manifest)
        for file in [_upgraded(path) for path in models]
    ]


def _upgraded(path: Path) -> ModelFile:
    content = model_file.load(path)
    try:
        parts = containers.split(content)
        data = json.loads(parts.manifest)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no model file, or cut short ({error}); copy it again") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if type(schema) is not int or not 1 <= schema <= _OLDEST_READ or not _lacks(data):
        return model_file.unpack(path, content)
    _check_hash(path, parts.model, data)
    manifest = parse(json.dumps(_migrated(data), allow_nan=False), f"{path}: manifest")
    return ModelFile(path, parts.model, manifest)


def _lacks(data: dict[str, Any]) -> bool:
    """Whether a manifest of schema 3 or less lacks what schema 3 has had since logits were exported."""
    heads = data.get("heads")
    in_heads = isinstance(heads, list) and any(isinstance(h, dict) and "softmax" not in h for h in heads)
    return bool(data["schema"] < _OLDEST_READ or in_heads)


def _check_hash(path: Path, model: bytes, data: dict[str, Any]) -> None:
    """Raises InputError where the content is not the one that was exported."""
    try:
        found = hash_of(model, canonical({**data, "hash": ""}))
    except ValueError:  # a number or a character that no exported manifest has
        found = None
    if found is None or found != data.get("hash"):
        raise InputError(f"{path}: its content does not match its hash; copy or export it again")


def _migrated(data: dict[str, Any]) -> dict[str, Any]:
    """The manifest with what was added since, set to what older devices did."""
    added: dict[str, dict[str, Any]] = {
        "front_end": {"centred": False, "top_db": 0.0},  # schema 2
        "decoder": {"scene_thresholds": {}, "smoothing_s": {}},  # schema 3
    }
    tables = {
        name: {**fields, **data[name]} for name, fields in added.items() if isinstance(data.get(name), dict)
    }
    heads = data.get("heads")
    if isinstance(heads, list):
        # Until then the network itself computed its softmax.
        heads = [{"softmax": False, **head} if isinstance(head, dict) else head for head in heads]
    return {**data, **tables, "heads": heads, "schema": _OLDEST_READ}
