"""One file that carries model and manifest, and says so with its hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from . import atomic, containers
from .errors import InputError
from .manifest import Manifest, content_hash, parse, sealed, to_json

_LARGEST_FILE = 256 << 20
_DEFAULT = "kws"


@dataclass(frozen=True)
class ModelFile:
    """A model and its manifest, known to belong together."""

    path: Path
    model: bytes
    """Without the manifest."""
    manifest: Manifest

    @property
    def kind(self) -> str | None:
        """containers.TFLITE or containers.ONNX."""
        return containers.kind(self.model)


def find(name: str | Path | None, kinds: Sequence[str] = (containers.TFLITE, containers.ONNX)) -> Path:
    """The file that `--model` means: an existing file, else a shipped model's name, else the default.

    Args:
        name: of a file or of a shipped model.
        kinds: of a shipped model's files, the best first.

    Raises:
        InputError: neither a file nor a shipped model.
    """
    if name is not None and Path(name).exists():
        return Path(name)
    folder = Path(str(resources.files(__package__) / "models"))
    for kind in kinds:
        path = folder / f"{name or _DEFAULT}.{kind}"
        if path.is_file() and path.parent == folder:
            return path
    shipped = ", ".join(sorted({file.stem for kind in kinds for file in folder.glob(f"*.{kind}")})) or "none"
    raise InputError(f"{name or _DEFAULT}: no such model file; shipped models: {shipped}")


def read(path: Path) -> ModelFile:
    """Model and manifest of a file, checked against the content hash.

    Raises:
        InputError: the file is missing, no model, has no manifest, or was changed or cut.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{path}: larger than any model ({_LARGEST_FILE >> 20} MB); name a model file")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a model file") from error
    if containers.kind(content) is None:
        what = "empty" if not content else "neither a TFLite nor an ONNX model"
        raise InputError(f"{path}: {what}; name a file that kws-export wrote")
    try:
        model, text = containers.split(content)
    except ValueError as error:
        raise InputError(
            f"{path}: a model without a manifest, or cut short ({error}); "
            "copy it again or export it with kws-export"
        ) from error
    manifest = parse(text, str(path))
    if content_hash(model, manifest) != manifest.hash:
        raise InputError(f"{path}: its content does not match its hash; copy or export it again")
    return ModelFile(path, model, manifest)


def write(path: Path, model: bytes, manifest: Manifest) -> ModelFile:
    """Write model and manifest as one file, sealed with their hash; equal input gives equal bytes.

    Raises:
        InputError: the folder cannot be written.
    """
    manifest = sealed(model, manifest)
    atomic.write_bytes(path, containers.join(model, to_json(manifest).encode()))
    return ModelFile(path, model, manifest)
