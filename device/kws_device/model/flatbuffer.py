"""Reads FlatBuffer tables with bounds checks.

An inference library follows the offsets in a model unchecked: a wrong one ends the process. Here each is held
against the end of the file and against the alignment of what it points to, as FlatBuffers' own verifier does.

Source: flatbuffers.dev/internals.
"""

from __future__ import annotations

import struct
from typing import Any

Scalar = struct.Struct
BYTE, UBYTE, INT, UINT = map(struct.Struct, ("<b", "<B", "<i", "<I"))
LONG, FLOAT = map(struct.Struct, ("<q", "<f"))
_LONGEST_TEXT = 4096
_OFFSET, _VTABLE_OFFSET, _VTABLE_ENTRY = UINT, INT, struct.Struct("<H")


class Table:
    """A table: values by the numbers of their fields, each of which may be absent."""

    def __init__(self, content: memoryview, at: int, most_fields: int) -> None:
        """The table at a position.

        Args:
            content: the whole file.
            at: where the table begins.
            most_fields: of its type; a table with more means something that is not known here.

        Raises:
            ValueError: it does not lie within the file, or has other fields.
        """
        self._content = content
        self._at = at
        vtable: int = at - _read(content, at, _VTABLE_OFFSET)
        vtable_bytes = _read(content, vtable, _VTABLE_ENTRY)
        self._bytes = _read(content, vtable + 2, _VTABLE_ENTRY)
        if vtable_bytes < 4 or vtable_bytes % 2 or vtable + vtable_bytes > len(content):
            raise ValueError(f"a table at byte {at} is damaged")
        if at + self._bytes > len(content):
            raise ValueError(f"a table at byte {at} is cut short")
        self._offsets: tuple[int, ...] = struct.unpack_from(f"<{vtable_bytes // 2 - 2}H", content, vtable + 4)
        if any(self._offsets[most_fields:]):
            raise ValueError(f"a table at byte {at} has fields that are not known here")

    @classmethod
    def root(cls, content: bytes, most_fields: int) -> Table:
        """The table that a file begins with."""
        view = memoryview(content)  # lists may share their bytes: copies of them would add up
        return cls(view, _read(view, 0, _OFFSET), most_fields)

    def has(self, field: int) -> bool:
        """Whether the table has a value for a field."""
        return field < len(self._offsets) and self._offsets[field] != 0

    def number(self, field: int, layout: Scalar, default: int = 0) -> int:
        """A whole number."""
        return int(_read(self._content, self._place(field, layout), layout)) if self.has(field) else default

    def real(self, field: int, layout: Scalar) -> float:
        """A floating-point number; 0 where there is none."""
        return float(_read(self._content, self._place(field, layout), layout)) if self.has(field) else 0.0

    def numbers(self, field: int, layout: Scalar, most: int) -> tuple[float, ...]:
        """A list of numbers; empty where there is none."""
        if not self.has(field):
            return ()
        begin, count = self._vector(field, layout.size, most)
        return struct.unpack_from(f"<{count}{layout.format[-1]}", self._content, begin)

    def integers(self, field: int, layout: Scalar, most: int) -> tuple[int, ...]:
        """A list of whole numbers; empty where there is none."""
        return tuple(map(int, self.numbers(field, layout, most)))

    def data(self, field: int) -> memoryview:
        """Bytes, a view; empty where there are none."""
        if not self.has(field):
            return self._content[:0]
        begin, count = self._vector(field, 1, len(self._content))
        return self._content[begin : begin + count]

    def text(self, field: int) -> str:
        """A text, UTF-8; empty where there is none."""
        if not self.has(field):
            return ""
        begin, count = self._vector(field, 1, _LONGEST_TEXT)
        # Libraries take it for a C string.
        if bytes(self._content[begin + count : begin + count + 1]) != b"\0":
            raise ValueError(f"a text at byte {begin} does not end")
        return bytes(self._content[begin : begin + count]).decode()

    def table(self, field: int, most_fields: int) -> Table | None:
        """Another table."""
        if not self.has(field):
            return None
        return Table(self._content, self._follow(self._place(field, _OFFSET)), most_fields)

    def tables(self, field: int, most_fields: int, most: int) -> list[Table]:
        """A list of tables; empty where there is none."""
        if not self.has(field):
            return []
        begin, count = self._vector(field, _OFFSET.size, most)
        places = range(begin, begin + count * _OFFSET.size, _OFFSET.size)
        return [Table(self._content, self._follow(place), most_fields) for place in places]

    def _place(self, field: int, layout: Scalar) -> int:
        offset = self._offsets[field]
        if offset + layout.size > self._bytes:
            raise ValueError(f"field {field} lies outside its table at byte {self._at}")
        return self._at + offset

    def _vector(self, field: int, item_bytes: int, most: int) -> tuple[int, int]:
        """Where the items of a list begin, and how many they are."""
        at = self._follow(self._place(field, _OFFSET))
        count: int = _read(self._content, at, _OFFSET)
        if count > most:
            raise ValueError(f"a list of {count} items at byte {at}, more than {most}")
        begin: int = at + _OFFSET.size
        if begin + count * item_bytes > len(self._content):
            raise ValueError(f"a list at byte {at} is cut short")
        if begin % item_bytes:
            raise ValueError(f"a list at byte {at} is not aligned")
        return begin, count

    def _follow(self, place: int) -> int:
        offset: int = _read(self._content, place, _OFFSET)
        return place + offset


def _read(content: memoryview, at: int, layout: Scalar) -> Any:
    """A number, whose place must lie within the file and be aligned. Raises ValueError otherwise."""
    if not 0 <= at <= len(content) - layout.size or at % layout.size:
        raise ValueError(f"an offset leads to byte {at}")
    return layout.unpack_from(content, at)[0]
