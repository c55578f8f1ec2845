"""Redirects the messages of C libraries away from standard error."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

from .atomic import NO_ROOM

_STDERR = 2


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """What C code writes to the process's standard error in the meantime goes nowhere.

    May be nested, and entered by several threads at once.
    """
    with open(os.devnull, "wb") as nowhere, _redirections.to(nowhere.fileno()):  # noqa: PTH123
        yield


@contextlib.contextmanager
def overheard() -> Iterator[list[str]]:
    """The lines that C code writes to the process's standard error in the meantime, there at the end."""
    lines: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as kept:
        with _redirections.to(kept.fileno()):
            yield lines
        kept.seek(0)
        lines += kept.read().splitlines()


def keep_own_stderr() -> None:
    """Give Python's sys.stderr a descriptor of its own.

    Then a thread may keep libraries quiet while others tell people something. What a full disk has no room
    for is dropped, so that a full log ends no command.
    """
    sys.stderr.flush()
    file = io.BufferedWriter(_Droppable(_redirections.duplicate(), "w"))
    sys.stderr = io.TextIOWrapper(file, sys.stderr.encoding, sys.stderr.errors, line_buffering=True)


class _Droppable(io.FileIO):
    """A file that is written as far as there is room."""

    def write(self, content: Any) -> int:
        """See io.RawIOBase."""
        try:
            return super().write(content)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return len(content)


class _Redirections:
    """Where the process's standard error goes while any number of blocks redirect it.

    Blocks of several threads end in any order, so the descriptor that was there before all of them is
    kept once, and restored by whichever ends last. Meanwhile the block that began last decides. None
    waits for another, since what it calls may hang.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._targets: list[int] = []
        self._original = _STDERR
        """A duplicate of the descriptor while `_targets` is not empty."""

    @contextlib.contextmanager
    def to(self, descriptor: int) -> Iterator[None]:
        """Redirect standard error to an open descriptor, which no other block redirects to."""
        sys.stderr.flush()
        with self._lock:
            if not self._targets:
                self._original = os.dup(_STDERR)
            self._targets.append(descriptor)
            os.dup2(descriptor, _STDERR)
        try:
            yield
        finally:
            with self._lock:
                self._targets.remove(descriptor)
                os.dup2(self._targets[-1] if self._targets else self._original, _STDERR)
                if not self._targets:
                    os.close(self._original)
                    self._original = _STDERR

    def duplicate(self) -> int:
        """A new descriptor of what standard error is without any redirection."""
        with self._lock:
            return os.dup(self._original)


_redirections = _Redirections()
