"""The wire format of protocol buffers, the part that ONNX files use.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Wire types."""


class Field(NamedTuple):
    """One field of a message."""

    start: int
    """Its first byte in the message."""
    number: int
    value: int | bytes
    """A number, its bits unsigned, or the bytes of a text, a list or a message."""


def fields(message: bytes, most: int) -> Iterator[Field]:
    """The fields of a message, in their order.

    Raises:
        ValueError: the message is cut short, damaged, or has more than `most` fields.
    """
    at = 0
    for _ in range(most):
        if at == len(message):
            return
        start = at
        tag, at = varint(message, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            value, at = varint(message, at)
            yield Field(start, number, value)
            continue
        if wire_type == _BYTES:
            size, at = varint(message, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(wire_type, 0)
        if not size and wire_type != _BYTES:
            raise ValueError(f"damaged at byte {start}")
        if at + size > len(message):
            raise ValueError(f"cut short: {at + size - len(message)} bytes are missing")
        content = message[at : at + size]
        yield Field(start, number, content if wire_type == _BYTES else int.from_bytes(content, "little"))
        at += size
    if at != len(message):
        raise ValueError(f"more than {most} fields in a message")


def varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of up to 64 bits in as few bytes as it needs, and where the next thing begins.

    Raises:
        ValueError: the message is cut short, or the number is longer.
    """
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


def field(number: int, value: bytes) -> bytes:
    """A field of bytes, as it is written."""
    return _written(number << 3 | _BYTES) + _written(len(value)) + value


def _written(number: int) -> bytes:
    """A number as a varint: seven bits a byte, the lowest first."""
    head = b""
    while number > 0x7F:
        head += bytes([number & 0x7F | 0x80])
        number >>= 7
    return head + bytes([number])
