"""How a manifest travels inside a model file: a zip behind a .tflite, the last metadata of an .onnx.

The FlatBuffer reader ignores what follows the model, and zip readers look for their directory at
the end, so both find their part (the convention of TFLite metadata). An ONNX file is a protocol
buffer message, to which a field can be appended; `metadata_props` is meant for such things. Neither
needs TensorFlow or onnx to be read.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

TFLITE, ONNX = "tflite", "onnx"

_ZIP_ENTRY = "kws-manifest.json"
_KEY = b"kws-manifest"
_LARGEST_MANIFEST = 1 << 20
_TFLITE_MARK = b"TFL3"
_IR_VERSION, _METADATA_PROPS = 1, 14
"""Fields of onnx.ModelProto; of a metadata entry (StringStringEntryProto) 1 is the key, 2 the value."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types of protocol buffers."""


def kind(content: bytes) -> str | None:
    """TFLITE, ONNX, or None for what is neither."""
    if content[4:8] == _TFLITE_MARK:
        return TFLITE
    # onnx.ModelProto begins with its version, and is written in the order of its fields.
    return ONNX if content[:1] == bytes([_IR_VERSION << 3 | _VARINT]) else None


def join(model: bytes, manifest: bytes) -> bytes:
    """Model and manifest as the content of one file; equal input gives equal bytes.

    Raises:
        ValueError: the model is of neither kind.
    """
    if kind(model) == TFLITE:
        buffer = io.BytesIO()
        buffer.write(model)
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(zipfile.ZipInfo(_ZIP_ENTRY, date_time=(1980, 1, 1, 0, 0, 0)), manifest)
        return buffer.getvalue()
    if kind(model) == ONNX:
        entry = _field(1, _KEY) + _field(2, manifest)
        return model + _field(_METADATA_PROPS, entry)
    raise ValueError("neither a TFLite nor an ONNX model")


def split(content: bytes) -> tuple[bytes, bytes]:
    """The reverse of `join`: model and manifest.

    Raises:
        ValueError: no model, one without a manifest, or cut short.
    """
    if kind(content) == TFLITE:
        return _split_tflite(content)
    if kind(content) == ONNX:
        return _split_onnx(content)
    raise ValueError("neither a TFLite nor an ONNX model")


def _split_tflite(content: bytes) -> tuple[bytes, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            info = archive.getinfo(_ZIP_ENTRY)
            if info.file_size > _LARGEST_MANIFEST:
                raise ValueError(f"the manifest is larger than {_LARGEST_MANIFEST >> 20} MB")
            manifest = archive.read(info)
            return content[: min(entry.header_offset for entry in archive.infolist())], manifest
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError("no manifest in it") from error


def _split_onnx(content: bytes) -> tuple[bytes, bytes]:
    start, number, last = 0, 0, b""
    for start, number, last in _fields(content):  # noqa: B007  the last one is wanted
        pass
    entry = {number: value for _, number, value in _fields(last)} if number == _METADATA_PROPS else {}
    if entry.get(1) != _KEY:
        raise ValueError("no manifest in it")
    return content[:start], entry.get(2, b"")


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
