"""Unpacks archives safely: nothing outside the folder, no links, bounded size and number of files."""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import IO

from tqdm import tqdm

from kws_device import InputError

_CHUNK = 1 << 20
MOST_MEMBERS = 500_000
"""Speech Commands, the largest archive that is fetched, has 105,835 files."""
_HEADERS_BYTES = 2048
"""Of a member: its tar header with a long name, and what fills its last block."""


@dataclass(frozen=True)
class _Member:
    """One entry of either kind of archive."""

    name: str
    """As the archive spells it."""
    kind: str
    """file, folder, or the word for what is refused."""
    content: IO[bytes] | None
    """What a file holds; None for all else."""


def unpack(archive: Path, folder: Path, most_bytes: int, most_members: int = MOST_MEMBERS) -> None:
    """Unpack a .tar.gz or .zip into a new `folder`, which is whole in the end or not there.

    Every file is written anew with the caller's own permissions: links, owners and modes of the archive
    count for nothing. (tarfile's filter "data" would do less, and Debian 12's Python 3.11.2 lacks it.)

    Raises:
        InputError: neither kind of archive, damaged, more than `most_bytes` unpacked, more than
            `most_members` files and folders, or a member that is encrypted, no file or folder, or leads
            outside.
        OSError: the folder cannot be written.
    """
    folder.mkdir()
    try:
        limit = most_bytes + _HEADERS_BYTES * most_members + 2 * _CHUNK
        with tqdm(_members(archive, limit), desc="unpacking", unit="file", leave=False) as members:
            left = most_bytes
            for number, member in enumerate(members, start=1):
                if number > most_members:
                    raise InputError(
                        f"{archive}: has more than {most_members:,} files and folders; nothing was unpacked"
                    )
                left -= _write(archive, member, folder, left)
    except BaseException as error:
        shutil.rmtree(folder)
        if isinstance(error, FileExistsError | IsADirectoryError | NotADirectoryError):
            raise InputError(f"{archive}: damaged (one name for file and folder); get it again") from error
        raise


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Whatever goes wrong in here is the archive's fault: its readers raise a dozen kinds of errors."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{archive}: damaged ({str(error) or 'it ends early'}); get it again") from error


class _BoundedGzip(gzip.GzipFile):
    """A compressed file of which no more is read than allowed: what a tar header asks for may be any size."""

    def __init__(self, archive: Path, most_bytes: int) -> None:
        super().__init__(archive)
        self._most_bytes = most_bytes

    def read(self, size: int | None = -1) -> bytes:
        """As in the base class. Raises ValueError where it would be more than allowed."""
        if size is None or size < 0 or self.tell() + size > self._most_bytes:
            raise ValueError("unpacks to more than it should")
        return super().read(size)


def _members(archive: Path, most_bytes: int) -> Iterator[_Member]:
    with archive.open("rb") as file:
        start = file.read(4)
    if not start.startswith((b"\x1f\x8b", b"PK\x03\x04")):
        raise InputError(f"{archive}: neither .tar.gz nor .zip; get it again")
    with _reading(archive):
        yield from (_zip_members(archive) if start.startswith(b"PK") else _tar_members(archive, most_bytes))


def _tar_members(archive: Path, most_bytes: int) -> Iterator[_Member]:
    with _BoundedGzip(archive, most_bytes) as plain, tarfile.open(fileobj=plain, mode="r:") as tar:
        for info in tar:
            if info.isfile():
                yield _Member(info.name, "file", tar.extractfile(info))
            else:
                yield _Member(info.name, "folder" if info.isdir() else "a link or device", None)
        while plain.read(_CHUNK):
            pass  # gzip's own checksum is at the very end, after what tar reads


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            # The upper half is a Unix mode, 0 where the archive was made elsewhere.
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                yield _Member(info.filename, "a link or device", None)
            elif info.flag_bits & 1:
                yield _Member(info.filename, "encrypted", None)
            elif info.is_dir():
                yield _Member(info.filename, "folder", None)
            else:
                yield _Member(info.filename, "file", zipped.open(info))


def _write(archive: Path, member: _Member, folder: Path, most_bytes: int) -> int:
    """Write a member below `folder`; returns its bytes, counted as they come, since headers may lie."""
    # Windows' rules are the stricter ones: both slashes part a name, and a drive leads outside as well.
    path = PureWindowsPath(member.name)
    if path.anchor or ".." in path.parts or "\0" in member.name:
        raise InputError(f"{archive}: {member.name!r} leads outside; nothing was unpacked")
    if member.kind not in ("file", "folder"):
        raise InputError(f"{archive}: {member.name!r} is {member.kind}; nothing was unpacked")
    target = folder.joinpath(*path.parts)
    if member.content is None:
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with member.content, target.open("wb") as file:
        while chunk := _read(archive, member.content):
            written += len(chunk)
            if written > most_bytes:
                raise InputError(
                    f"{archive}: unpacks to more than it should, at {member.name!r}; nothing was unpacked"
                )
            file.write(chunk)
    return written


def _read(archive: Path, content: IO[bytes]) -> bytes:
    with _reading(archive):
        return content.read(_CHUNK)
