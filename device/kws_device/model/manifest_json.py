"""A manifest as JSON, and the hash that covers it and the model."""

from __future__ import annotations

import hashlib
import json
import reprlib
from dataclasses import replace
from typing import Any

from .._support.errors import InputError
from .._support.schema import build, plain
from .manifest import ARMING_SCHEMA, EMBEDDING_SCHEMA, READABLE, SCHEMA, Manifest

_ADDED: tuple[tuple[int, str, list[None] | None], ...] = (
    (SCHEMA, "verifier", None),
    (ARMING_SCHEMA, "arming", None),
    (EMBEDDING_SCHEMA, "embedding", None),
    (EMBEDDING_SCHEMA, "taught", []),
)
"""Fields that came later: the first schema that has them, and what a manifest without them means."""


def parse(text: str | bytes, where: str) -> Manifest:
    """A manifest from its JSON.

    Args:
        text: JSON, UTF-8.
        where: the file it comes from, named in errors.

    Raises:
        InputError: not JSON, another schema version, a field missing, unknown or wrong.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: the manifest is not JSON ({error}); export the model again") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if type(schema) is not int or schema not in READABLE:
        raise InputError(
            f"{where}: manifest schema {reprlib.repr(schema)} is none of those known here, "
            f"{', '.join(map(str, READABLE))}; "
            "install the kws-device version that belongs to the model, or export the model again"
        )
    for since, name, absent in _ADDED:
        if schema < since:
            if name in data:
                raise InputError(f"{where}: manifest schema {schema} has no {name}; export the model again")
            data[name] = absent
    return build(Manifest, data, f"{where}: manifest")


def to_json(manifest: Manifest) -> str:
    """The canonical JSON: sorted keys, no spaces, so that equal manifests are equal bytes."""
    fields = plain(manifest)
    for since, name, _ in _ADDED:
        if manifest.schema < since:
            del fields[name]
    return canonical(fields)


def canonical(fields: dict[str, Any]) -> str:
    """The one JSON of a manifest's fields. Raises ValueError for a number that JSON has no word for."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def content_hash(model: bytes, manifest: Manifest) -> str:
    """sha256, in hexadecimal, over the model's bytes and the canonical manifest without the hash."""
    return hash_of(model, to_json(replace(manifest, hash="")))


def hash_of(model: bytes, manifest: str) -> str:
    """The same for a manifest's canonical JSON. Raises ValueError for a text that UTF-8 cannot carry."""
    return hashlib.sha256(model + manifest.encode()).hexdigest()


def sealed(model: bytes, manifest: Manifest) -> Manifest:
    """The manifest with the hash of `model` and itself."""
    return replace(manifest, hash=content_hash(model, manifest))
