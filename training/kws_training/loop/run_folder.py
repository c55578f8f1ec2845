"""Locks the folder of a run while it is trained, and reports a full disk in one line."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kws_device import InputError
from kws_device._support import atomic

LOCK = ".lock"
_UNWRITABLE = (*atomic.NO_ROOM, errno.EROFS)


@contextmanager
def run_folder(out: Path) -> Iterator[None]:
    """Keep a run's folder for this process; it is made where it is not there, and goes where it stays empty.

    What a killed process left half-written is removed first.

    Raises:
        InputError: another process trains into the folder, it cannot be written, or the disk is full.
    """
    with atomic.making(out):
        lock = _locked(out)
        try:
            atomic.clear_leftovers(out)
            yield
        except OSError as error:
            if error.errno not in _UNWRITABLE:
                raise
            raise InputError(
                f"{out}: cannot be written ({error.strerror}); make room, then go on with --resume"
            ) from error
        finally:
            (out / LOCK).unlink(missing_ok=True)
            os.close(lock)


def _locked(out: Path) -> int:
    """The open lock file of a folder. The kernel drops the lock of a process that died."""
    path = out / LOCK
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have removed the file after we had opened it; then it keeps nobody out.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(lock)):
                return lock
        except BlockingIOError as error:
            os.close(lock)
            raise InputError(
                f"{out}: another process trains into it; wait for it, or name another --out"
            ) from error
        os.close(lock)
