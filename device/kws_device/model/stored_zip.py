"""Reads the zip archive behind a .tflite: a few uncompressed entries.

Python's own reader takes far more: each of its decompressors has errors of its own, and a directory of a
million entries takes hundreds of megabytes.

Source of the records: PKWARE's APPNOTE, 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import Any

_MOST_ENTRIES = 8
_END_OF_DIRECTORY = struct.Struct("<4s4H2LH")
_DIRECTORY_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")


def split(content: bytes) -> tuple[bytes, dict[str, bytes]]:
    """What precedes the archive at the end of a file, and the archive's entries by name.

    Raises:
        ValueError: no archive there, one with a comment or many entries, or an entry that is damaged,
            compressed or encrypted.
    """
    end = len(content) - _END_OF_DIRECTORY.size
    mark, *_, count, size, at, _ = _record(_END_OF_DIRECTORY, content, end)
    if mark != b"PK\5\6" or at + size != end:
        raise ValueError("no archive behind it")
    if count > _MOST_ENTRIES:
        raise ValueError(f"more than {_MOST_ENTRIES} entries behind it")
    entries: dict[str, bytes] = {}
    first = at
    for _ in range(count):
        mark, _, _, flags, method, _, _, crc, stored, length, *lengths, _, _, _, start = _record(
            _DIRECTORY_ENTRY, content, at
        )
        if mark != b"PK\1\2" or flags or method != zipfile.ZIP_STORED or stored != length:
            raise ValueError("an entry behind it is damaged, compressed or encrypted")
        at += _DIRECTORY_ENTRY.size
        name = content[at : at + lengths[0]].decode("ascii", "replace")
        at += sum(lengths)
        entries[name] = _entry(content, start, length, crc)
        first = min(first, start)
    return content[:first], entries


def _entry(content: bytes, start: int, length: int, crc: int) -> bytes:
    """The content of the entry whose local header is at `start`."""
    mark, *_, name_length, extra_length = _record(_LOCAL_HEADER, content, start)
    begin = start + _LOCAL_HEADER.size + name_length + extra_length
    entry = content[begin : begin + length]
    if mark != b"PK\3\4" or zlib.crc32(entry) != crc:
        raise ValueError("an entry behind it is damaged")
    return entry


def _record(layout: struct.Struct, content: bytes, at: int) -> tuple[Any, ...]:
    if at < 0 or at + layout.size > len(content):
        raise ValueError("no archive behind it")
    return layout.unpack_from(content, at)
