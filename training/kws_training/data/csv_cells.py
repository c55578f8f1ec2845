"""Escapes CSV cells, so that a spreadsheet takes none for a formula."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTE = "'"


def guarded(cell: str) -> str:
    """The cell with a quote in front where a spreadsheet would take it for a formula.

    Source: OWASP, "CSV Injection". A quote that is there already is doubled, so that `unguarded` is exact.
    """
    return _QUOTE + cell if cell.startswith((*_FORMULA, _QUOTE)) else cell


def unguarded(cell: str) -> str:
    """The reverse of `guarded`."""
    return cell[1:] if cell.startswith(_QUOTE) else cell
