"""How manifest and verifier travel in a model file: a zip behind a .tflite, the last metadata of an .onnx.

The FlatBuffer reader ignores what follows the model, and zip readers look for their directory at
the end, so both find their part (the convention of TFLite metadata). An ONNX file is a protocol
buffer message, to which a field can be appended; `metadata_props` is meant for such things. Neither
needs TensorFlow or onnx to be read.
"""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

TFLITE, ONNX = "tflite", "onnx"

_ZIP_MANIFEST, _ZIP_VERIFIER = "kws-manifest.json", "kws-verifier.tflite"
_KEY_MANIFEST, _KEY_VERIFIER = b"kws-manifest", b"kws-verifier"
_LARGEST_MANIFEST = 1 << 20
_LARGEST_VERIFIER = 8 << 20
_TFLITE_MARK = b"TFL3"
_IR_VERSION, _METADATA_PROPS = 1, 14
"""Fields of onnx.ModelProto; of a metadata entry (StringStringEntryProto) 1 is the key, 2 the value."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""


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
    # onnx.ModelProto begins with its version, and is written in the order of its fields.
    return ONNX if content[:1] == bytes([_IR_VERSION << 3 | _VARINT]) else None


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
    # The value of a metadata entry is text.
    second = _metadata(_KEY_VERIFIER, base64.b64encode(verifier)) if verifier is not None else b""
    return model + second + _metadata(_KEY_MANIFEST, manifest)


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
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            manifest = _unpacked(archive, _ZIP_MANIFEST, _LARGEST_MANIFEST)
            there = _ZIP_VERIFIER in archive.namelist()
            verifier = _unpacked(archive, _ZIP_VERIFIER, _LARGEST_VERIFIER) if there else None
            model = content[: min(entry.header_offset for entry in archive.infolist())]
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError("no manifest in it") from error
    return Parts(model, manifest, verifier)


def _unpacked(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > largest:
        raise ValueError(f"{name} is larger than {largest >> 20} MB")
    return archive.read(info)


def _split_onnx(content: bytes) -> Parts:
    last, before = (0, 0, b""), (0, 0, b"")
    for field in _fields(content):
        last, before = field, last
    manifest = _metadata_value(last, _KEY_MANIFEST)
    if manifest is None:
        raise ValueError("no manifest in it")
    encoded = _metadata_value(before, _KEY_VERIFIER)
    if encoded is None:
        return Parts(content[: last[0]], manifest, None)
    return Parts(content[: before[0]], manifest, base64.b64decode(encoded, validate=True))


def _metadata_value(field: tuple[int, int, bytes], key: bytes) -> bytes | None:
    """What a field of a model says under a key; None where it is another field."""
    _, number, content = field
    if number != _METADATA_PROPS:
        return None
    entry = {number: value for _, number, value in _fields(content)}
    return entry.get(2, b"") if entry.get(1) == key else None


def _metadata(key: bytes, value: bytes) -> bytes:
    return _field(_METADATA_PROPS, _field(1, key) + _field(2, value))


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Where each field of a message starts, its number, and its bytes where it has such.

    Source: the protocol buffers' wire format, protobuf.dev/programming-guides/encoding.

    Raises:
        ValueError: the message is cut short, or none.
    """
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        number, wire_type = tag >> 3, tag & 7
        size = {_FIXED64: 8, _FIXED32: 4}.get(wire_type, 0)
        if wire_type == _VARINT:
            _, at = _varint(message, at)
        elif wire_type == _BYTES:
            size, at = _varint(message, at)
        elif not size:
            raise ValueError(f"damaged at byte {start}")
        if at + size > len(message):
            raise ValueError(f"cut short: {at + size - len(message)} bytes are missing")
        yield start, number, message[at : at + size] if wire_type == _BYTES else b""
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"damaged at byte {at}")


def _field(number: int, value: bytes) -> bytes:
    head = bytes([number << 3 | _BYTES])
    size = len(value)
    while size > 0x7F:
        head += bytes([size & 0x7F | 0x80])
        size >>= 7
    return head + bytes([size]) + value
