"""Mutants of sound files: of any byte, and of header fields and bodies under correct checksums."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import soundfile
from fuzz.mutations import INTEGERS, changed_bytes

SEEDS = {
    "wav": [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAV", "IMA_ADPCM"),
            ("WAV", "MS_ADPCM"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16")],
    "flac": [("FLAC", "PCM_16"), ("FLAC", "PCM_24")],
    "ogg": [("OGG", "VORBIS"), ("OGG", "OPUS")],
    "mp3": [("MP3", "MPEG_LAYER_III")],
}  # fmt: skip
"""By the suffix: formats and subtypes as libsndfile calls them."""
_RATES_HZ = (8000, 16000, 48000)
"""Those that Opus has, too."""
_HEADER_BYTES = 200


def seeds(suffix: str) -> list[bytes]:
    """Short recordings in all formats that have the suffix, mono and stereo."""
    rng = np.random.default_rng(0)
    found = []
    for i, (kind, subtype) in enumerate(SEEDS[suffix]):
        for channels in (1, 2):
            rate_hz = _RATES_HZ[(i + channels) % 3]
            buffer = io.BytesIO()
            samples = 0.1 * rng.standard_normal((rate_hz // 4, channels))
            soundfile.write(buffer, samples, rate_hz, subtype, format=kind)
            found.append(buffer.getvalue())
    return found


@dataclass(frozen=True)
class SoundMutants:
    """Makes mutants of sound files, and has them listened to or checked."""

    suffix: str
    contents: Sequence[bytes]

    def __call__(self, rng: Random, folder: Path) -> Sequence[object]:
        """See campaign.Make."""
        path = folder / "yes" / f"mutant.{self.suffix}"
        path.parent.mkdir()
        content = rng.choice(self.contents)
        for _ in range(rng.choice([1, 1, 2, 3])):
            content = _mutant(content, rng, self.contents)
        path.write_bytes(content)
        if rng.random() < 0.2:
            return ("kws-data", "check", folder, "--json")
        return ("kws-listen", "--model", "tiny", "--file", path, "--json")


def _mutant(content: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    kind = rng.random()
    if kind < 0.3:
        return _changed_field(content, rng)
    if kind < 0.4:
        return changed_bytes(content[:_HEADER_BYTES], rng) + content[_HEADER_BYTES:]
    if kind < 0.5:
        other = rng.choice(others)
        return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other)) :]
    if kind < 0.75 and content[:4] == b"OggS":
        return _changed_page(content, rng)
    return changed_bytes(content, rng)


def _changed_field(content: bytes, rng: Random) -> bytes:
    """Another number in a header: of a chunk of RIFF, a block of FLAC, or anywhere near the beginning."""
    places = [*_riff_fields(content), *_flac_fields(content)] or [
        (rng.randrange(min(len(content), _HEADER_BYTES) + 1), rng.choice("BHIQ"))
    ]
    at, code = rng.choice(places)
    order = ">" if content[:4] == b"fLaC" else "<"
    size = struct.calcsize(code)
    number = rng.choice([*INTEGERS, rng.getrandbits(8 * size)]) % (1 << 8 * size)
    return content[:at] + struct.pack(order + code, number) + content[at + size :]


def _riff_fields(content: bytes) -> Iterator[tuple[int, str]]:
    """Place and struct code of the size of the file and of its chunks, and of what `fmt ` tells."""
    if content[:4] in (b"RIFF", b"RF64"):
        yield 4, "I"
        at = 12
        while at + 8 <= len(content):
            yield at + 4, "I"
            if content[at : at + 4] == b"fmt ":
                yield from (
                    (at + 8, "H"),
                    (at + 10, "H"),
                    (at + 12, "I"),
                    (at + 16, "I"),
                    (at + 20, "H"),
                    (at + 22, "H"),
                )
            at += 8 + struct.unpack_from("<I", content, at + 4)[0] + 1 & ~1


def _flac_fields(content: bytes) -> Iterator[tuple[int, str]]:
    """Place and struct code of the size of metadata blocks, and of what STREAMINFO tells (RFC 9639, 8.2)."""
    if content[:4] == b"fLaC":
        yield from ((4, "I"), (8, "H"), (10, "H"), (18, "I"), (18, "Q"), (20, "H"), (22, "I"))


def _changed_page(content: bytes, rng: Random) -> bytes:
    """An Ogg stream with one of its pages changed under a correct checksum."""
    pages = content.split(b"OggS")[1:]
    n = rng.randrange(len(pages))
    page = bytearray(b"OggS" + changed_bytes(pages[n], rng))
    if len(page) >= 27:
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", _ogg_crc(page))
    pages[n] = bytes(page[4:])
    return b"".join(b"OggS" + page for page in pages)


def _ogg_crc(page: bytes) -> int:
    """The checksum of RFC 3533, section 6: polynomial 04c11db7, unreflected, from zero."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)
        crc &= 0xFFFFFFFF
    return crc
