"""Keeps the chatter of C libraries off standard error, where people expect the kit's own lines alone."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Iterator

_STDERR = 2
_ONE_AT_A_TIME = threading.RLock()
"""Two threads that redirect the same descriptor would restore each other's, and it would stay redirected."""


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """What C code writes to the process's standard error in the meantime goes nowhere."""
    with open(os.devnull, "wb") as nowhere, _stderr_to(nowhere.fileno()):  # noqa: PTH123
        yield


@contextlib.contextmanager
def overheard() -> Iterator[list[str]]:
    """The lines that C code writes to the process's standard error in the meantime, there at the end."""
    lines: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as kept:
        with _stderr_to(kept.fileno()):
            yield lines
        kept.seek(0)
        lines += kept.read().splitlines()


@contextlib.contextmanager
def _stderr_to(descriptor: int) -> Iterator[None]:
    with _ONE_AT_A_TIME:
        sys.stderr.flush()
        kept = os.dup(_STDERR)
        try:
            os.dup2(descriptor, _STDERR)
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)


def keep_own_stderr() -> None:
    """Give Python's sys.stderr a descriptor of its own.

    Then a thread may keep libraries quiet while others tell people something.
    """
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(_STDERR), "w", 1, sys.stderr.encoding, sys.stderr.errors)
