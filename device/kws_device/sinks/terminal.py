"""A terminal with a few lines at its end that are redrawn in place, and text that scrolls above them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Mapping
from typing import NamedTuple, TextIO

from .._support.untrusted_text import printable

BOLD, RED, YELLOW = "1", "31", "33"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_ERASE_LINE, _ERASE_BELOW = "\x1b[K", "\x1b[J"
_SIZE = os.terminal_size((80, 24))
"""Of a terminal that does not tell."""


class Line(NamedTuple):
    """A line of the block."""

    text: str
    style: str = ""
    """BOLD, RED, YELLOW or nothing."""


Block = Callable[[int], list[Line]]
"""Makes the lines for so many columns."""


class Terminal:
    """Draws with the few escape codes of ECMA-48 that every terminal knows.

    Between two writes the cursor rests on an empty line above the block. What others write there (a
    command's output, an error's line) stays readable, and the next block is drawn below.
    """

    def __init__(self, stream: TextIO, environment: Mapping[str, str] = os.environ) -> None:
        # Past Python's buffer: a thread that waits for a stopped terminal inside it would keep the
        # program from ending.
        self._file = stream.fileno()
        self._encoding = stream.encoding
        self._colours = not environment.get("NO_COLOR")
        self._block: Block | None = None

    def draw(self, block: Block) -> None:
        """Show the block, instead of the one before. Raises OSError where the terminal is gone."""
        self._block = block
        # Only what stands behind the cursor: before it, somebody may just have begun a line.
        self._write(_ERASE_LINE + self._drawn())

    def scroll(self, text: str, style: str = "", whole: bool = False) -> None:
        """Put a line of text above the block, cut to the terminal's width unless it must be whole.

        Raises:
            OSError: the terminal is gone.
        """
        shown = printable(text) if whole else fitted(text, self._size().columns)
        self._write(f"\r{_ERASE_BELOW}{self._styled(Line(shown, style))}\n{self._drawn()}")

    def close(self) -> None:
        """Take the block away and give the cursor back. Raises OSError where the terminal is gone."""
        if self._block is not None:
            self._block = None
            self._write(f"\r{_ERASE_BELOW}{_SHOW_CURSOR}")

    def _drawn(self) -> str:
        if self._block is None:
            return ""
        size = self._size()
        # One column less: in the last one, terminals differ in when they begin a new line.
        columns = size.columns - 1
        # A block as high as the terminal could not be redrawn.
        lines = self._block(columns)[: max(0, size.lines - 2)]
        if not lines:
            return _ERASE_BELOW
        texts = [self._styled(Line(fitted(line.text, columns), line.style)) for line in lines]
        drawn = "".join(f"\n{text}{_ERASE_LINE}" for text in texts)
        return f"{_HIDE_CURSOR}{drawn}{_ERASE_BELOW}\x1b[{len(texts)}A\r"

    def _styled(self, line: Line) -> str:
        return f"\x1b[{line.style}m{line.text}\x1b[0m" if line.style and self._colours else line.text

    def _size(self) -> os.terminal_size:
        try:
            size = os.get_terminal_size(self._file)
        except OSError:
            return _SIZE
        return size if size.columns and size.lines else _SIZE

    def _write(self, text: str) -> None:
        content = text.encode(self._encoding, "replace")
        while content:
            content = content[os.write(self._file, content) :]


def fitted(text: str, columns: int) -> str:
    """As much of `text`, printable, as fits so many columns; some characters take two of them, some none."""
    text = printable(text)
    left = columns
    for i, character in enumerate(text):
        if not unicodedata.combining(character):
            left -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if left < 0:
            return text[:i]
    return text
