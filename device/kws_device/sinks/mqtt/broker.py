"""The address of a broker, and the user and password for it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from ..._support.errors import InputError

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_LONGEST_PASSWORD = 65535
"""In bytes; the protocol has no longer ones."""


@dataclass(frozen=True)
class Broker:
    """A broker that can be connected to."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    """None: not encrypted."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """The address, for notes: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def broker(
    url: str, user: str | None = None, password_file: Path | None = None, ca_file: Path | None = None
) -> Broker:
    """The broker of a URL such as mqtts://user@host:8883.

    Args:
        url: of the scheme mqtt, or mqtts for TLS.
        user: instead of the URL's.
        password_file: its first line is the password.
        ca_file: certificates (PEM) that sign the broker's; None: those that the system trusts.

    Raises:
        InputError: another URL, a password in it, or a file that cannot be used. No password is told.
    """
    parts = _split(url)
    user = user or (unquote(parts.username) if parts.username else None)
    password = None if password_file is None else _password(password_file)
    if password is not None and user is None:
        raise InputError("--mqtt-password-file: give the user, too, as mqtt://USER@HOST or --mqtt-user USER")
    if ca_file is not None and parts.scheme != "mqtts":
        raise InputError("--mqtt-ca: without TLS there is no certificate; write mqtts://HOST")
    return Broker(
        str(parts.hostname),
        parts.port or _PORTS[parts.scheme],
        _tls(ca_file) if parts.scheme == "mqtts" else None,
        user,
        password,
    )


def _split(url: str) -> SplitResult:
    wrong = InputError("--mqtt: write mqtt://HOST, mqtt://USER@HOST:PORT, or mqtts:// for TLS")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError as error:  # a port that is none, brackets that do not close
        raise wrong from error
    if parts.password is not None:
        raise InputError("--mqtt: others can read a password in the URL; give --mqtt-password-file FILE")
    if not usable or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise wrong
    return parts


def _password(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST_PASSWORD + 2)
        password = content.decode().split("\n")[0].rstrip("\r")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give a file with the password"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8; give a file with the password") from error
    if not password or len(password.encode()) > _LONGEST_PASSWORD:
        raise InputError(f"{path}: its first line is empty or too long; write the password there")
    return password


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:  # also of what is no certificate
        raise InputError(
            f"--mqtt-ca {ca_file}: cannot be used ({error.strerror or error}); give certificates as PEM"
        ) from error
