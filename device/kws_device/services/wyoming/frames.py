"""Reads the protocol's frames with bounds: the library reads lines, data and payloads of any length.

A frame is a line of JSON, then `data_length` bytes of JSON, then `payload_length` bytes.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from wyoming.event import Event

LONGEST_LINE = 1 << 16
"""Bytes of a header."""
LONGEST_DATA = 1 << 16
"""Bytes of the data that follow it."""
LONGEST_PAYLOAD = 1 << 20
"""Bytes of sound: half a minute of 16 bit at 16 kHz. Home Assistant sends a thirtieth of a second."""


class FrameError(ValueError):
    """A frame that is not of this protocol, or too large. Nothing that follows it can be read."""


async def read_frame(reader: asyncio.StreamReader, begun_s: float) -> Event | None:
    """The next event; None at the end of the connection, where it ends within a frame, too.

    Args:
        reader: whose limit is LONGEST_LINE.
        begun_s: how long a frame may take from its first byte to its last.

    Raises:
        FrameError: as above, or a frame that does not come to its end in time.
    """
    first = await reader.read(1)
    if not first:
        return None
    try:
        return await asyncio.wait_for(_rest(first, reader), begun_s)
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise FrameError(f"a header of more than {LONGEST_LINE} bytes") from error
    except asyncio.TimeoutError as error:  # not TimeoutError itself before Python 3.11
        raise FrameError(f"a frame that is not complete after {begun_s:g} s") from error


async def _rest(first: bytes, reader: asyncio.StreamReader) -> Event:
    header = _table(first + await reader.readuntil(b"\n"), "a header")
    kind = header.get("type")
    if not isinstance(kind, str):
        raise FrameError("a header without a type")
    data = header.get("data", {})
    if not isinstance(data, dict):
        raise FrameError("data that is no table")
    if length := _length(header, "data_length", LONGEST_DATA):
        data = data | _table(await reader.readexactly(length), "data")
    payload = None
    if length := _length(header, "payload_length", LONGEST_PAYLOAD):
        payload = await reader.readexactly(length)
    return Event(kind, data, payload)


def _table(text: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"{what} not in JSON") from error
    if not isinstance(value, dict):
        raise FrameError(f"{what} that is no table")
    return value


def _length(header: dict[str, Any], name: str, most: int) -> int:
    length = header.get(name) or 0
    if type(length) is not int or not 0 <= length <= most:
        raise FrameError(f"{name} that is not a number from 0 to {most}")
    return length
