"""Atomic writes: a file is complete or absent."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The errors of writing to a full disk, beyond a quota, and beyond the limit of a file's size."""

_RANDOM = "[a-z0-9_]" * 8
"""The characters by which `tempfile` tells its files apart, as a pattern of `glob`."""
_ABANDONED_S = 24 * 3600.0


@contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """Give a temporary path beside `path`, which replaces `path` when the block ends without an exception.

    The temporary path keeps the suffix, since some writers choose their format by it. The file gets the
    permissions `mode`, whatever the umask; until then only its owner can read it.

    Raises:
        InputError: the folder cannot be written.
        OSError: writing failed, on a full disk for example; it names `path`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(mode)
        temporary.replace(path)
    except OSError as error:
        if error.filename is None:  # writing to an open file does not know its name
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def making(folder: Path) -> Iterator[None]:
    """Make a folder and its parents; those that are still empty when the block ends are removed.

    Raises:
        InputError: the folder cannot be made.
    """
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        yield
    finally:
        for each in made:
            with contextlib.suppress(OSError):
                each.rmdir()


def clear_leftovers(folder: Path) -> None:
    """Remove temporary files of killed processes from a folder. No other process may write to it now."""
    for path in folder.glob(f".*-{_RANDOM}.*"):
        if path.is_file():
            path.unlink()


def clear_abandoned(folder: Path, pattern: str) -> None:
    """Remove temporary folders of killed processes that have not changed for a day."""
    for path in folder.glob(pattern):
        if time.time() - path.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(path, ignore_errors=True)


def check_vacant(folder: Path) -> None:
    """Raises InputError where `folder` cannot become a new one: a file, or a folder that holds something."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder}: is there already; remove it or choose another folder")


def write_bytes(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write `content` to `path`, atomically. Raises as `replacing`."""
    with replacing(path, mode) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` as UTF-8 to `path`, atomically. Raises as `replacing`."""
    write_bytes(path, content.encode())
