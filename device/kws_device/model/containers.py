"""How manifest and further networks travel in a model file: a zip behind a .tflite, last fields of an .onnx.

The FlatBuffer reader ignores what follows the model, and zip readers look for their directory at
the end, so both find their part (the convention of TFLite metadata). An ONNX file is a protocol
buffer message, to which fields can be appended: the manifest is an entry of `metadata_props`, which is
meant for such things. The verifier, the embedding and its bank, whose bytes are no text, are fields of their
own, which other readers skip. Neither needs TensorFlow or onnx to be read.
"""

from __future__ import annotations

import io
import zipfile
from typing import NamedTuple

from . import stored_zip
from .protobuf import Field, field, fields

TFLITE, ONNX = "tflite", "onnx"

_ZIP_MANIFEST = "kws-manifest.json"
_ZIP_NAMES = {
    "verifier": "kws-verifier.tflite",
    "embedding": "kws-embedding.tflite",
    "bank": "kws-embedding-bank.bin",
}
_KEY_MANIFEST = b"kws-manifest"
_LARGEST_MANIFEST = 1 << 20
_LARGEST_PART = 8 << 20
_TFLITE_MARK = b"TFL3"
_IR_VERSION, _METADATA_PROPS = 1, 14
"""Fields of onnx.ModelProto; of a metadata entry (StringStringEntryProto) 1 is the key, 2 the value."""
_FIELDS = {"verifier": 27511, "embedding": 27512, "bank": 27513}
"""Fields of the parts, in their order, far above those of onnx.ModelProto (26 in 2026)."""
_MOST_FIELDS = 1000
"""Of an onnx.ModelProto: a dozen, and one for each entry of its metadata."""


class Parts(NamedTuple):
    """What a model file is made of."""

    model: bytes
    """The first network."""
    manifest: bytes
    """JSON."""
    verifier: bytes | None = None
    """The second network."""
    embedding: bytes | None = None
    """The network that turns a word into an embedding."""
    bank: bytes | None = None
    """Embeddings of talk, int8."""


def kind(content: bytes) -> str | None:
    """TFLITE, ONNX, or None for what is neither."""
    if content[4:8] == _TFLITE_MARK:
        return TFLITE
    # onnx.ModelProto begins with its version, a number, and is written in the order of its fields.
    return ONNX if content[:1] == bytes([_IR_VERSION << 3]) else None


def join(
    model: bytes,
    manifest: bytes,
    verifier: bytes | None = None,
    embedding: bytes | None = None,
    bank: bytes | None = None,
) -> bytes:
    """The parts as the content of one file; equal input gives equal bytes.

    Args:
        model: the first network.
        manifest: JSON.
        verifier: a second network of the same kind as the model; None: there is none.
        embedding: a third network of the same kind; None: there is none.
        bank: of the embedding.

    Raises:
        ValueError: a network is of neither kind, or they are of different kinds.
    """
    parts = Parts(model, manifest, verifier, embedding, bank)
    _check_kinds(parts)
    further = {name: part for name in _FIELDS if (part := getattr(parts, name)) is not None}
    if kind(model) == TFLITE:
        buffer = io.BytesIO()
        buffer.write(model)
        with zipfile.ZipFile(buffer, "a") as archive:
            for name, part in further.items():
                archive.writestr(_entry(_ZIP_NAMES[name]), part)
            archive.writestr(_entry(_ZIP_MANIFEST), manifest)
        return buffer.getvalue()
    fields_behind = [field(_FIELDS[name], part) for name, part in further.items()]
    return b"".join([model, _metadata(_KEY_MANIFEST, manifest), *fields_behind])


def split(content: bytes) -> Parts:
    """The reverse of `join`.

    Raises:
        ValueError: no model, one without a manifest, cut short, or with networks of different kinds.
    """
    if kind(content) is None:
        raise ValueError("neither a TFLite nor an ONNX model")
    parts = _split_tflite(content) if kind(content) == TFLITE else _split_onnx(content)
    _check_kinds(parts)
    return parts


def _check_kinds(parts: Parts) -> None:
    if kind(parts.model) is None:
        raise ValueError("neither a TFLite nor an ONNX model")
    for name in ("verifier", "embedding"):
        network = getattr(parts, name)
        if network is not None and kind(network) != kind(parts.model):
            raise ValueError(f"model and {name} are of different kinds")


def _split_tflite(content: bytes) -> Parts:
    model, entries = stored_zip.split(content)
    further = {name: entries[entry] for name, entry in _ZIP_NAMES.items() if entry in entries}
    return _parts(model, entries.get(_ZIP_MANIFEST), further)


def _split_onnx(content: bytes) -> Parts:
    found = list(fields(content, _MOST_FIELDS))
    further: dict[str, bytes] = {}
    for name, number in reversed(_FIELDS.items()):
        if found and found[-1].number == number:
            further[name] = _bytes(found.pop(), name)
    if not found:
        raise ValueError("no manifest in it")
    manifest = _metadata_value(found[-1], _KEY_MANIFEST)
    return _parts(content[: found[-1].start], manifest, further)


def _bytes(part: Field, name: str) -> bytes:
    if not isinstance(part.value, bytes):
        raise ValueError(f"the {name} is a number")
    return part.value


def _parts(model: bytes, manifest: bytes | None, further: dict[str, bytes]) -> Parts:
    if manifest is None:
        raise ValueError("no manifest in it")
    if len(manifest) > _LARGEST_MANIFEST:
        raise ValueError(f"the manifest is larger than {_LARGEST_MANIFEST >> 20} MB")
    for name, part in further.items():
        if len(part) > _LARGEST_PART:
            raise ValueError(f"the {name} is larger than {_LARGEST_PART >> 20} MB")
    return Parts(model, manifest, **further)


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
