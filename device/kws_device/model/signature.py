"""Verifies signatures of model files with a given public key (minisign).

MODEL.minisig is made with the program minisign. It holds two Ed25519 signatures: one of the file, and one of
the first together with a trusted comment.

Source: https://jedisct1.github.io/minisign/, "Signature format" and "Public key format".
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .._support.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_UNTRUSTED, _TRUSTED = b"untrusted comment: ", b"trusted comment: "
_OF_CONTENT, _OF_HASH = b"Ed", b"ED"
"""What is signed: the file itself (minisign before 0.10, or -l), or its BLAKE2b hash of 64 bytes."""
_ALGORITHM, _KEY_ID, _KEY, _SIGNATURE = 2, 8, 32, 64
"""Lengths in bytes."""
_LARGEST = 16384
"""Of a file with a key or a signature; comments have at most 8192 bytes."""


@dataclass(frozen=True)
class PublicKey:
    """Of the one whose models are taken."""

    key_id: bytes
    """8 bytes, by which keys are told apart."""
    key: bytes
    """Ed25519, 32 bytes."""

    @property
    def name(self) -> str:
        """The key's identity as minisign prints it."""
        return self.key_id[::-1].hex().upper()


def public_key(key: str) -> PublicKey:
    """The key that `--require-signature` means.

    Args:
        key: a public key as minisign prints it, 56 characters, or the name of a file that holds one.

    Raises:
        InputError: no key, or the package for signatures cannot be imported.
    """
    _ed25519()
    line = key.encode(errors="replace")
    if _is_file(key):
        lines = _lines(Path(key), "a public key")
        line = next((line for line in lines if line and not line.startswith(_UNTRUSTED)), b"")
    content = _decoded(line, _ALGORITHM + _KEY_ID + _KEY)
    if content is None or not content.startswith(_OF_CONTENT):
        raise InputError(
            f"--require-signature {key}: neither a minisign public key nor a file with one; "
            "give the line that begins with RW"
        )
    return PublicKey(content[_ALGORITHM:-_KEY], content[-_KEY:])


def verify(path: Path, content: bytes, key: PublicKey) -> None:
    """Check the signature beside a model file.

    Args:
        path: of the model file; its signature is in PATH.minisig.
        content: of the model file, which is not read again.
        key: that must have signed it.

    Raises:
        InputError: no signature, a damaged one, or one of another key or another content.
    """
    beside = path.with_name(f"{path.name}.minisig")
    signed = _parsed(_lines(beside, f"the signature of {path.name}"))
    if signed is None:
        raise InputError(f"{beside}: not a minisign signature; sign the model again")
    if signed.key_id != key.key_id:
        other = PublicKey(signed.key_id, b"").name
        raise InputError(f"{beside}: signed with the key {other}, not with {key.name}, which is required")
    message = content if signed.algorithm == _OF_CONTENT else hashlib.blake2b(content).digest()
    if not _is_signed(key, signed.of_message, message):
        raise InputError(f"{path}: is not what was signed in {beside.name}; copy both again")
    if not _is_signed(key, signed.of_comment, signed.of_message + signed.comment):
        raise InputError(f"{beside}: its trusted comment was changed; copy it again")


@dataclass(frozen=True)
class _Signature:
    """What a .minisig holds."""

    algorithm: bytes
    key_id: bytes
    of_message: bytes
    """Over the file or its hash."""
    comment: bytes
    of_comment: bytes
    """Over `of_message` and the trusted comment."""


def _parsed(lines: list[bytes]) -> _Signature | None:
    """The signature in the lines of a file, or None where they hold none."""
    if len(lines) < 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        return None
    content = _decoded(lines[1], _ALGORITHM + _KEY_ID + _SIGNATURE)
    of_comment = _decoded(lines[3], _SIGNATURE)
    if content is None or of_comment is None or content[:_ALGORITHM] not in (_OF_CONTENT, _OF_HASH):
        return None
    key_id, of_message = content[_ALGORITHM:-_SIGNATURE], content[-_SIGNATURE:]
    return _Signature(content[:_ALGORITHM], key_id, of_message, lines[2].removeprefix(_TRUSTED), of_comment)


def _is_signed(key: PublicKey, signature: bytes, message: bytes) -> bool:
    invalid, ed25519 = _ed25519()
    try:
        ed25519.from_public_bytes(key.key).verify(signature, message)
    except invalid:
        return False
    return True


def _ed25519() -> tuple[type[Exception], type[Ed25519PublicKey]]:
    """The exception for a wrong signature, and the class of keys."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise InputError(
            f"--require-signature needs the package cryptography ({error}); "
            "run: pip install 'kws-device[signature]'"
        ) from error
    return InvalidSignature, Ed25519PublicKey


def _lines(path: Path, what: str) -> list[bytes]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise InputError(f"{path}: {what} cannot be read ({error.strerror})") from error
    if len(content) > _LARGEST:
        raise InputError(f"{path}: too large for {what}")
    # Not splitlines: comments may hold its other line ends.
    return [line.removesuffix(b"\r") for line in content.split(b"\n")]


def _decoded(line: bytes, length: int) -> bytes | None:
    """The bytes of a base64 line, or None where they are not as many."""
    try:
        content = base64.b64decode(line, validate=True)
    except ValueError:
        return None
    return content if len(content) == length else None


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # no file can have this name
        return False
