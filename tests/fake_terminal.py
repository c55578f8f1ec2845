"""What a person sees: a real pseudo terminal, and an emulator that reads it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading

import pyte

_MARK = b"\0"
"""Terminals ignore it, so it can mark how far was read."""
_LONG_S = 60.0


class FakeTerminal:
    """A terminal of so many columns and rows. Write to `stream`; `lines` is what stands on its screen."""

    def __init__(self, columns=80, rows=24):
        self._parent, self._child = pty.openpty()
        self._screen = pyte.HistoryScreen(columns, rows, history=10_000, ratio=1.0)
        self._emulator = pyte.ByteStream(self._screen)
        self._read = threading.Condition()
        self._marks = self._marked = 0
        self.raw = b""
        self._size(columns, rows)
        self.stream = os.fdopen(os.dup(self._child), "w")
        self._reader = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.watch()
        return self

    def __exit__(self, *error):
        self.stream.close()
        os.close(self._child)
        if self._reader.ident is not None:
            self._reader.join(_LONG_S)
        os.close(self._parent)

    def watch(self):
        """Read on; one that nobody watches is a terminal that was stopped."""
        if self._reader.ident is None:
            self._reader.start()

    def resize(self, columns, rows=24):
        self._catch_up()
        self._size(columns, rows)
        self._screen.resize(rows, columns)

    def write(self, text):
        """What somebody else writes to the same terminal."""
        os.write(self._child, text.encode())

    @property
    def lines(self):
        """The rows from the top, without blanks at their ends and without the empty ones at the bottom."""
        self._catch_up()
        rows = [row.rstrip() for row in self._screen.display]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    @property
    def scrolled(self):
        """The rows that have left at the top, oldest first."""
        self._catch_up()
        columns = range(self._screen.columns)
        return ["".join(row[i].data for i in columns).rstrip() for row in self._screen.history.top]

    @property
    def cursor_hidden(self):
        self._catch_up()
        return self._screen.cursor.hidden

    def look(self, row, column=0):
        """One character with its colours."""
        self._catch_up()
        return self._screen.buffer[row][column]

    def _size(self, columns, rows):
        fcntl.ioctl(self._child, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _catch_up(self):
        self._marks += 1
        os.write(self._child, _MARK)
        with self._read:
            assert self._read.wait_for(lambda: self._marked >= self._marks, _LONG_S)

    def _watch(self):
        while True:
            try:
                piece = os.read(self._parent, 65536)
            except OSError:
                return
            with self._read:
                self.raw += piece.replace(_MARK, b"")
                self._emulator.feed(piece.replace(_MARK, b""))
                self._marked += piece.count(_MARK)
                self._read.notify_all()
