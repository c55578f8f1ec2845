"""Reads and writes model files: networks and manifest in one file, bound by a hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from .._support import atomic
from .._support.errors import InputError
from . import containers
from .manifest import Manifest
from .manifest_json import content_hash, parse, sealed, to_json

_LARGEST_FILE = 32 << 20
"""In bytes. The shipped models have 0.04 to 0.6 MB, the study's in floating point 7 MB."""
_DEFAULT = "kws"


class Embedding(NamedTuple):
    """The network that turns the sound of a word into an embedding, and embeddings of talk."""

    network: bytes
    """Of the same kind as the first network."""
    bank: bytes
    """int8, shape (looks, size)."""


@dataclass(frozen=True)
class ModelFile:
    """A model and its manifest, whose hash was checked."""

    path: Path
    model: bytes
    """Without the manifest."""
    manifest: Manifest
    verifier: bytes | None = None
    """The second network; None where the manifest has none."""
    embedding: Embedding | None = None
    """None where the manifest has none."""

    @property
    def kind(self) -> str | None:
        """containers.TFLITE or containers.ONNX."""
        return containers.kind(self.model)


def find(name: str | Path | None, kinds: Sequence[str] = (containers.TFLITE, containers.ONNX)) -> Path:
    """Find the file that `--model` names: an existing file, else a shipped model, else the default.

    A folder is no model file, so one that is called like a shipped model does not hide it.

    Args:
        name: of a file or of a shipped model.
        kinds: of a shipped model's files, the best first.

    Raises:
        InputError: neither a file nor a shipped model.
    """
    if name is not None and _is_there(Path(name)):
        return Path(name)
    folder = _shipped_models()
    for kind in kinds:
        path = folder / f"{name or _DEFAULT}.{kind}"
        if _is_there(path) and path.parent == folder:
            return path
    names = ", ".join(shipped(kinds)) or "none"
    raise InputError(f"{name or _DEFAULT}: no such model file; shipped models: {names}")


def shipped(kinds: Sequence[str] = (containers.TFLITE, containers.ONNX)) -> list[str]:
    """The names of the shipped models that have a file of one of these kinds, sorted."""
    folder = _shipped_models()
    return sorted({file.stem for kind in kinds for file in folder.glob(f"*.{kind}")})


def _is_there(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()
    except OSError:  # the name is too long for a file
        return False


def is_shipped(path: Path) -> bool:
    """Whether a file is one of those that are installed with this package."""
    return path.resolve().parent == _shipped_models().resolve()


def read(path: Path) -> ModelFile:
    """Model and manifest of a file, checked against the content hash. Raises as `load` and `unpack` do."""
    return unpack(path, load(path))


def load(path: Path) -> bytes:
    """The content of a file of a model's size.

    Raises:
        InputError: the file is missing, no regular file, or too large.
    """
    try:
        # A pipe or a device would be waited for, or never end.
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: cannot be read (no regular file); name a model file")
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a model file") from error
    if len(content) > _LARGEST_FILE:
        raise InputError(
            f"{path}: larger than any keyword model ({_LARGEST_FILE >> 20} MB); name a model file"
        )
    return content


def unpack(path: Path, content: bytes) -> ModelFile:
    """Model and manifest in the content of a file, checked against the content hash.

    Args:
        path: of the file, for its errors; it is not read.
        content: of the file.

    Raises:
        InputError: no model, one that has no manifest, or one that was changed or cut.
    """
    if containers.kind(content) is None:
        what = "empty" if not content else "neither a TFLite nor an ONNX model"
        raise InputError(f"{path}: {what}; name a file that kws-export wrote")
    try:
        parts = containers.split(content)
    except ValueError as error:
        raise InputError(
            f"{path}: a model without a manifest, or cut short ({error}); "
            "copy it again or export it with kws-export"
        ) from error
    manifest = parse(parts.manifest, str(path))
    if content_hash(parts.model, manifest) != manifest.hash:
        raise InputError(f"{path}: its content does not match its hash; copy or export it again")
    # The manifest, whose hash was checked, binds the other parts by hashes of their own.
    expected = _hashes(manifest)
    for name in expected:
        if _sha256(getattr(parts, name)) != expected[name]:
            raise InputError(f"{path}: its {name} is not the one of its manifest; copy or export it again")
    embedding = None
    if manifest.embedding is not None and parts.embedding is not None and parts.bank is not None:
        if not parts.bank or len(parts.bank) % manifest.embedding.size:
            raise InputError(f"{path}: its bank does not fit its embedding; export it again")
        embedding = Embedding(parts.embedding, parts.bank)
    return ModelFile(path, parts.model, manifest, parts.verifier, embedding)


def write(
    path: Path,
    model: bytes,
    manifest: Manifest,
    verifier: bytes | None = None,
    embedding: Embedding | None = None,
) -> ModelFile:
    """Write networks and manifest as one file, sealed with their hash; equal input gives equal bytes.

    Args:
        path: of the file.
        model: the first network.
        manifest: whose hashes are set here.
        verifier: the second network, where the manifest has one.
        embedding: with its bank, where the manifest has one.

    Raises:
        InputError: the folder cannot be written.
        ValueError: the manifest has a verifier or an embedding and none is given, or the reverse.
    """
    if (verifier is None) != (manifest.verifier is None):
        raise ValueError("the manifest and the verifier must come together")
    if (embedding is None) != (manifest.embedding is None):
        raise ValueError("the manifest and the embedding must come together")
    if verifier is not None and manifest.verifier is not None:
        manifest = replace(manifest, verifier=replace(manifest.verifier, sha256=str(_sha256(verifier))))
    network, bank = embedding or (None, None)
    if manifest.embedding is not None:
        bound = replace(manifest.embedding, sha256=str(_sha256(network)), bank_sha256=str(_sha256(bank)))
        manifest = replace(manifest, embedding=bound)
    manifest = sealed(model, manifest)
    content = containers.join(model, to_json(manifest).encode(), verifier, network, bank)
    atomic.write_bytes(path, content)
    return ModelFile(path, model, manifest, verifier, embedding)


def rewrite(path: Path, file: ModelFile, manifest: Manifest) -> ModelFile:
    """Write the networks of a file that was read with another manifest. Raises as `write`."""
    return write(path, file.model, manifest, file.verifier, file.embedding)


def _hashes(manifest: Manifest) -> dict[str, str | None]:
    """By the name of a part: the hash that the manifest tells; None where there must be no such part."""
    embedding = manifest.embedding
    return {
        "verifier": manifest.verifier.sha256 if manifest.verifier else None,
        "embedding": embedding.sha256 if embedding else None,
        "bank": embedding.bank_sha256 if embedding else None,
    }


def _shipped_models() -> Path:
    return Path(str(resources.files(__package__) / "shipped"))


def _sha256(network: bytes | None) -> str | None:
    return None if network is None else hashlib.sha256(network).hexdigest()
