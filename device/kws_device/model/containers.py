"""How manifest and verifier travel in a model file: a zip behind a .tflite, the last fields of an .onnx.

The FlatBuffer reader ignores what follows the model, and zip readers look for their directory at
the end, so both find their part (the convention of TFLite metadata). An ONNX file is a protocol
buffer message, to which fields can be appended: the manifest is an entry of `metadata_props`, which is
meant for such things, and the verifier, whose bytes are no text, is a field of its own, which other
readers skip. Neither needs TensorFlow or onnx to be read.
"""

from __future__ import annotations

import io
import zipfile
from typing import NamedTuple

from . import stored_zip
from .protobuf import Field, field, fields

TFLITE, ONNX = "tflite", "onnx"

_ZIP_MANIFEST, _ZIP_VERIFIER = "kws-manifest.json", "kws-verifier.tflite"
_KEY_MANIFEST = b"kws-manifest"
_LARGEST_MANIFEST = 1 << 20
_LARGEST_VERIFIER = 8 << 20
_TFLITE_MARK = b"TFL3"
_IR_VERSION, _METADATA_PROPS = 1, 14
"""Fields of onnx.ModelProto; of a metadata entry (StringStringEntryProto) 1 is the key, 2 the value."""
_VERIFIER = 27511
"""The field of the second network, far above those of onnx.ModelProto (26 in 2026)."""
_MOST_FIELDS = 1000
"""Of an onnx.ModelProto: a dozen, and one for each entry of its metadata."""


class Parts(NamedTuple):
    """What a model file is made of."""

    model: bytes
    """The first network."""
    manifest: bytes
    """JSON."""
    verifier: bytes | None
    """The second network."""


def kind(content: bytes) -> str | None:
    """TFLITE, ONNX, or None for what is neither."""
    if content[4:8] == _TFLITE_MARK:
        return TFLITE
    # onnx.ModelProto begins with its version, a number, and is written in the order of its fields.
    return ONNX if content[:1] == bytes([_IR_VERSION << 3]) else None


def join(model: bytes, manifest: bytes, verifier: bytes | None = None) -> bytes:
    """Model, verifier and manifest as the content of one file; equal input gives equal bytes.

    Args:
        model: the first network.
        manifest: JSON.
        verifier: a second network of the same kind as the model; None: there is none.

    Raises:
        ValueError: a network is of neither kind, or they are of different kinds.
    """
    if kind(model) is None:
        raise ValueError("neither a TFLite nor an ONNX model")
    if verifier is not None and kind(verifier) != kind(model):
        raise ValueError("model and verifier are of different kinds")
    if kind(model) == TFLITE:
        buffer = io.BytesIO()
        buffer.write(model)
        with zipfile.ZipFile(buffer, "a") as archive:
            if verifier is not None:
                archive.writestr(_entry(_ZIP_VERIFIER), verifier)
            archive.writestr(_entry(_ZIP_MANIFEST), manifest)
        return buffer.getvalue()
    second = field(_VERIFIER, verifier) if verifier is not None else b""
    return model + _metadata(_KEY_MANIFEST, manifest) + second


def split(content: bytes) -> Parts:
    """The reverse of `join`.

    Raises:
        ValueError: no model, one without a manifest, cut short, or with a verifier of another kind.
    """
    if kind(content) is None:
        raise ValueError("neither a TFLite nor an ONNX model")
    parts = _split_tflite(content) if kind(content) == TFLITE else _split_onnx(content)
    if parts.verifier is not None and kind(parts.verifier) != kind(parts.model):
        raise ValueError("model and verifier are of different kinds")
    return parts


def _split_tflite(content: bytes) -> Parts:
    model, entries = stored_zip.split(content)
    return _parts(model, entries.get(_ZIP_MANIFEST), entries.get(_ZIP_VERIFIER))


def _split_onnx(content: bytes) -> Parts:
    found = list(fields(content, _MOST_FIELDS))
    verifier = _bytes(found.pop()) if found[-1].number == _VERIFIER else None
    manifest = _metadata_value(found[-1], _KEY_MANIFEST)
    return _parts(content[: found[-1].start], manifest, verifier)


def _bytes(part: Field) -> bytes:
    if not isinstance(part.value, bytes):
        raise ValueError("the verifier is a number")
    return part.value


def _parts(model: bytes, manifest: bytes | None, verifier: bytes | None) -> Parts:
    if manifest is None:
        raise ValueError("no manifest in it")
    for what, part, largest in (
        ("manifest", manifest, _LARGEST_MANIFEST),
        ("verifier", verifier or b"", _LARGEST_VERIFIER),
    ):
        if len(part) > largest:
            raise ValueError(f"the {what} is larger than {largest >> 20} MB")
    return Parts(model, manifest, verifier)


def _metadata_value(part: Field, key: bytes) -> bytes | None:
    """What a field of a model says under a key; None where it is another field."""
    if part.number != _METADATA_PROPS or not isinstance(part.value, bytes):
        return None
    entry = {number: value for _, number, value in fields(part.value, 2)}
    value = entry.get(2, b"")
    return value if entry.get(1) == key and isinstance(value, bytes) else None


def _metadata(key: bytes, value: bytes) -> bytes:
    return field(_METADATA_PROPS, field(1, key) + field(2, value))


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
