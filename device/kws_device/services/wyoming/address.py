"""The address of a Wyoming service: tcp://HOST:PORT, unix://PATH or stdio://."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ..._support.errors import InputError


@dataclass(frozen=True)
class Address:
    """Where a service listens."""

    text: str
    """As it was given, for messages."""
    host: str | None = None
    """Of tcp."""
    port: int | None = None
    """Of tcp."""
    path: str | None = None
    """Of unix. Neither host nor path: standard input and output."""


def parsed(text: str) -> Address:
    """The parts of an address.

    Raises:
        InputError: another scheme, or a part is missing.
    """
    complaint = InputError(
        f"--wyoming {text}: not an address; write tcp://127.0.0.1:10400, unix:///run/kws.sock or stdio://"
    )
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise complaint from error
    if parts.query or parts.fragment or parts.username is not None:
        raise complaint
    if parts.scheme == "tcp" and host and port and not parts.path:
        return Address(text, host, port)
    if parts.scheme == "unix" and parts.path and not parts.netloc:
        return Address(text, path=parts.path)
    if text == "stdio://":
        return Address(text)
    raise complaint
