"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError


@contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """A temporary name beside `path` that takes its place when the block ends well.

    The temporary name keeps the suffix, since writers choose their format by it. `mode` is who may read
    and write the file in the end, whatever the umask; until then only its owner may.

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


def check_vacant(folder: Path) -> None:
    """Raises InputError where `folder` cannot become a new one: a file, or a folder that holds something."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder}: is there already; remove it or choose another folder")


def write_bytes(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write `content` to `path`, whole or not at all. Raises as `replacing`."""
    with replacing(path, mode) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` as UTF-8 to `path`, whole or not at all. Raises as `replacing`."""
    write_bytes(path, content.encode())
