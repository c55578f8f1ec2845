"""Folders that benchmarks build once and keep; a folder is complete or absent."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from kws_device import InputError
from kws_device._support import atomic

_TEMPORARY = ".building-"


def built(folder: Path, build: Callable[[Path], None]) -> Path:
    """A folder of the cache; where it is not there yet, `build` fills it first.

    It is built under a temporary name beside its own and renamed when all is done, so that what was
    interrupted is never used.

    Args:
        folder: its name must change with all that `build` depends on.
        build: given an empty folder to fill.

    Raises:
        InputError: no room, or a cache that cannot be written; what `build` raises.
    """
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        atomic.clear_abandoned(folder.parent, f"{_TEMPORARY}*")
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=folder.parent) as temporary:
            unfinished = Path(temporary) / folder.name
            unfinished.mkdir()
            build(unfinished)
            # Where another process was quicker with the same, its folder serves.
            with contextlib.suppress(OSError):
                unfinished.rename(folder)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); make room, or name another folder "
            "with --cache"
        ) from error
    return folder
