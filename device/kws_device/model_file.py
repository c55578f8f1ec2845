"""One file that carries model and manifest: a .tflite with a zip behind it.

The FlatBuffer reader ignores what follows the model, and zip readers look for their directory at
the end, so both find their part (the convention of TFLite metadata).
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from . import atomic
from .errors import InputError
from .manifest import Manifest, content_hash, parse, sealed, to_json

_ENTRY = "kws-manifest.json"
_LARGEST_MANIFEST = 1 << 20
_LARGEST_FILE = 256 << 20
_TFLITE_MARK = b"TFL3"


@dataclass(frozen=True)
class ModelFile:
    """A model and its manifest, known to belong together."""

    path: Path
    model: bytes
    manifest: Manifest


def find(name: str | Path | None) -> Path:
    """The file that `--model` means: an existing file, else a shipped model's name, else the default.

    Raises:
        InputError: neither a file nor a shipped model.
    """
    if name is not None and Path(name).exists():
        return Path(name)
    folder = Path(str(resources.files(__package__) / "models"))
    path = folder / f"{name or 'kws'}.tflite"
    if path.is_file() and path.parent == folder:
        return path
    shipped = ", ".join(sorted(file.stem for file in folder.glob("*.tflite"))) or "none"
    raise InputError(f"{name or path}: no such model file; shipped models: {shipped}")


def read(path: Path) -> ModelFile:
    """Model and manifest of a file, checked against the content hash.

    Raises:
        InputError: the file is missing, no model, has no manifest, or was changed or cut.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"{path}: larger than any model ({_LARGEST_FILE >> 20} MB); name a .tflite file")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a model file") from error
    if content[4:8] != _TFLITE_MARK:
        what = "empty" if not content else "not a TFLite model"
        raise InputError(f"{path}: {what}; name a file that kws-export wrote")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            info = archive.getinfo(_ENTRY)
            if info.file_size > _LARGEST_MANIFEST:
                raise InputError(f"{path}: the manifest is larger than {_LARGEST_MANIFEST >> 20} MB")
            text = archive.read(info)
            model = content[: min(entry.header_offset for entry in archive.infolist())]
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError) as error:
        raise InputError(
            f"{path}: a model without a manifest, or cut short; copy it again or export it with kws-export"
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
    buffer = io.BytesIO()
    buffer.write(model)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(zipfile.ZipInfo(_ENTRY, date_time=(1980, 1, 1, 0, 0, 0)), to_json(manifest))
    atomic.write_bytes(path, buffer.getvalue())
    return ModelFile(path, model, manifest)
