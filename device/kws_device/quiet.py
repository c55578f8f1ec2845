"""Keeps the chatter of C libraries off standard error, where people expect the kit's own lines alone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

_STDERR = 2


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """What C code writes to the process's standard error in the meantime goes nowhere."""
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


def keep_own_stderr() -> None:
    """Give Python's sys.stderr a descriptor of its own.

    Then a thread may keep libraries quiet while others tell people something.
    """
    sys.stderr.flush()
    sys.stderr = os.fdopen(os.dup(_STDERR), "w", buffering=1, encoding=sys.stderr.encoding)
