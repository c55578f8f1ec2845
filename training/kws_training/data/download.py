"""kws-data download: downloads, verifies and unpacks a published dataset."""

from __future__ import annotations

import functools
import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from tqdm import tqdm

from kws_device import InputError
from kws_device._support import atomic

from .archives import unpack
from .datasets import DATASETS

_TIMEOUT_S = 30.0
_WAITS_S = (1.0, 2.0, 4.0)
"""Before each new try; there are no more tries than these until something new has come."""
_BUSY = {408, 429, 500, 502, 503, 504}
_CHUNK = 1 << 18
_SLACK = 1.5
"""An archive may unpack to so many times what is expected: that is an estimate, a zip bomb is not near it."""


class _CutError(Exception):
    """The connection broke or the server is busy: worth another try."""


class _HttpOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https. urllib itself refuses the others except ftp."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise urllib.error.HTTPError(newurl, code, f"redirection to {newurl} not allowed", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_HttpOnly)


def download(name: str, dest: Path, mirror: str | None = None, keep_archive: bool = False) -> None:
    """Fetch a dataset of `published.DATASETS` and unpack it as the folder `dest`.

    What has come of the archive stays beside `dest` as `.NAME.part` until all is done; the next call goes
    on from there, also from another mirror, since the whole archive must have the published checksum.

    Args:
        name: key of DATASETS.
        dest: must not exist, or be empty.
        mirror: address of the same archive elsewhere.
        keep_archive: leave the archive beside `dest`, as NAME.zip or NAME.tar.gz.

    Raises:
        InputError: `dest` is taken, too little room, no such file at the address, the connection breaks
            again and again, or what came is not the archive.
    """
    published = DATASETS[name]
    url = mirror or published.url
    _check_address(url)
    dest = dest.resolve()
    try:
        atomic.check_vacant(dest)
        part = dest.with_name(f".{name}.part")
        dest.parent.mkdir(parents=True, exist_ok=True)
        _check_room(dest, published.download_bytes - _length(part) + published.unpacked_bytes)
        _fetch(url, part, published.download_bytes)
        _verify(url, part, published.checksum)
        _install(part, dest, published.root, round(_SLACK * published.unpacked_bytes))
        if keep_archive:
            part.replace(dest.with_name(name + published.suffix))
        else:
            part.unlink()
    except OSError as error:
        raise InputError(
            f"{dest}: cannot be written ({error.strerror}); make room or choose another folder, "
            "then run the same command again to go on"
        ) from error


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"{url}: no address of an archive; it starts with https:// or http://")


def _check_room(dest: Path, needed: int) -> None:
    free = shutil.disk_usage(dest.parent).free
    if free < needed:
        raise InputError(
            f"{dest}: {needed / 1e9:.1f} GB needed for the archive and what is in it, "
            f"{free / 1e9:.1f} GB free; make room or choose another folder"
        )


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _fetch(url: str, part: Path, size: int) -> None:
    """Go on with `part` until it has `size` bytes; InputError when nothing new comes any more."""
    tries, longest = 0, _length(part)
    with tqdm(total=size, initial=longest, desc="downloading", unit="B", unit_scale=True, leave=False) as bar:
        while _length(part) < size:
            try:
                _receive(url, part, size, bar)
            except _CutError as cut:
                if _length(part) > longest:
                    tries, longest = 0, _length(part)
                if tries == len(_WAITS_S):
                    raise InputError(
                        f"{url}: {cut}; {_length(part) / 1e9:.3f} of {size / 1e9:.3f} GB are here, "
                        "run the same command again to go on"
                    ) from cut
                time.sleep(_WAITS_S[tries])
                tries += 1


def _receive(url: str, part: Path, size: int, bar: Any) -> None:
    """One connection: append what comes to `part`. Raises _CutError when it ends before `size` bytes."""
    have = _length(part)
    answer = _ask(url, have)
    if have and not (
        answer.status == http.HTTPStatus.PARTIAL_CONTENT
        and answer.headers["Content-Range"] == f"bytes {have}-{size - 1}/{size}"
    ):
        # The server cannot go on from there. What is here stays until the whole archive is on its way.
        if answer.status != http.HTTPStatus.OK:
            answer.close()
            answer = _ask(url, 0)
        have = 0
    if not have:
        _check_whole(url, answer, size)
    bar.update(have - bar.n)
    with answer, part.open("ab" if have else "wb") as file:
        while have < size and (chunk := _read(answer, min(_CHUNK, size - have))):
            file.write(chunk)
            have += len(chunk)
            bar.update(len(chunk))
    if have < size:
        raise _CutError("the connection was closed")


def _ask(url: str, start: int) -> Any:
    """The server's answer to a request for all bytes from `start` on; also that it cannot (416)."""
    headers = {"User-Agent": "kws-kit"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        return _OPENER.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return error
        if error.code in _BUSY:
            raise _CutError(f"{error.code} {error.reason}") from error
        raise InputError(f"{url}: {error.code} {error.reason}; give another address with --mirror") from error
    except (ValueError, http.client.InvalidURL) as error:
        raise InputError(f"{url}: no usable address ({error})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(str(getattr(error, "reason", error))) from error


def _read(answer: Any, n: int) -> bytes:
    """What has come of the answer, at most `n` bytes; empty at its end."""
    try:
        chunk: bytes = answer.read1(n)
    except (OSError, http.client.HTTPException) as error:
        raise _CutError(str(error)) from error
    return chunk


def _check_whole(url: str, answer: Any, size: int) -> None:
    """Raises InputError for an answer that is not the archive, such as a network's login page."""
    length, kind = answer.headers["Content-Length"], answer.headers.get_content_type()
    if answer.status != http.HTTPStatus.OK or length not in (None, str(size)) or kind == "text/html":
        answer.close()
        raise InputError(
            f"{url}: answers with {length or 'some'} bytes of {kind} instead of the archive's {size}; "
            "look at it in a browser, or give another address with --mirror"
        )


def _verify(url: str, part: Path, checksum: str) -> None:
    algorithm, _, expected = checksum.partition(":")
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, functools.partial(hashlib.new, algorithm, usedforsecurity=False))
    if digest.hexdigest() != expected:
        part.unlink()
        raise InputError(
            f"{url}: {algorithm} is {digest.hexdigest()}, not {expected} as published; what came was "
            "deleted: run the same command again, or give another address with --mirror"
        )


def _install(part: Path, dest: Path, root: str, most_bytes: int) -> None:
    """Unpack `part` beside `dest` and rename; an archive that is refused is deleted."""
    unpacked = dest.with_name(f".{dest.name}.unpacking")
    shutil.rmtree(unpacked, ignore_errors=True)  # of a run that was killed
    try:
        unpack(part, unpacked, most_bytes)
        (unpacked / root).replace(dest)
    except InputError:
        part.unlink()
        raise
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
