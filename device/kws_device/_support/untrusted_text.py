"""Makes text from files, file names and the network safe to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with a question mark for every character that is not printable.

    Those are control characters (escape sequences and line breaks among them), bidirectional and other
    format controls, lone surrogates, and separators other than the space: a terminal obeys them, a log
    reads them as a line of their own, and no encoding may know them.
    """
    return "".join(character if character.isprintable() else "?" for character in text)
