"""Counts the frames of an MP3 file.

libsndfile takes the length of an MP3 from the header of its first frame, or estimates it from the file's
size. A file that was cut then plays to where it ends, and one whose header is wrong plays in part.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_BIT_RATES_KBPS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Of layer III in MPEG 1, and in MPEG 2 and 2.5 (ISO/IEC 11172-3 and 13818-3)."""
_RATES_HZ = (44_100, 48_000, 32_000)
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"\0")
"""What may stand behind the last frame: text about the recording, or padding."""
_HEADER_BYTES = 4
_INFO_BYTES = 12
"""Of a frame that counts the others: its name, its flags, and the count."""


@dataclass(frozen=True)
class Frames:
    """What a walk over all frames of a file found."""

    samples: int
    """Of each channel, in the whole frames; those that the decoder takes off at both ends count."""
    is_cut: bool
    """Whether the last frame, or the last of those that the header counts, is not all there."""
    damaged_at: int | None
    """The byte at which something stands that is no frame."""
    length_is_told: bool
    """Whether a decoder can know the length: the header counts all frames, or all have one bit rate."""


@dataclass(frozen=True)
class _Frame:
    """What the four bytes at the beginning of a frame say."""

    size: int
    """In bytes, with these four."""
    samples: int
    bit_rate_kbps: int
    info_at: int
    """Where a header that counts frames (Xing, Info) stands in the first one."""


def scan(file: BinaryIO, file_size: int) -> Frames | None:
    """Walk over the frames of a file of `file_size` bytes; None: it does not begin as an MP3 does."""
    start = _behind_id3(file)
    if (first := _frame_at(file, start)) is None:
        return None
    counted = _counted_frames(file, start + first.info_at)
    at = start if counted is None else start + first.size
    frames = samples = 0
    bit_rates = set()
    for frame in _frames(file, at):
        if at + frame.size > file_size:
            return Frames(samples, True, None, False)
        at += frame.size
        frames += 1
        samples += frame.samples
        bit_rates.add(frame.bit_rate_kbps)
    file.seek(at)
    rest = file.read(16)
    is_cut_header = rest[:1] == b"\xff" and len(rest) < _HEADER_BYTES
    is_damaged = bool(rest) and not is_cut_header and not rest.startswith(_TAGS)
    is_cut = is_cut_header or (counted is not None and frames < counted)
    told = len(bit_rates) <= 1 if counted is None else frames == counted
    return Frames(samples, is_cut and not is_damaged, at if is_damaged else None, told)


def _behind_id3(file: BinaryIO) -> int:
    """Where the sound begins: behind a tag of ID3 version 2, whose size has seven bits in each byte."""
    file.seek(0)
    head = file.read(10)
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _frames(file: BinaryIO, at: int) -> Iterator[_Frame]:
    """The frames one behind the other, up to whatever is none."""
    while (frame := _frame_at(file, at)) is not None:
        yield frame
        at += frame.size


def _frame_at(file: BinaryIO, at: int) -> _Frame | None:
    file.seek(at)
    return _parsed(file.read(_HEADER_BYTES))


@functools.lru_cache(maxsize=1024)  # a file has some dozens of different ones among its thousands
def _parsed(head: bytes) -> _Frame | None:
    if len(head) < _HEADER_BYTES or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version = {0b11: 1.0, 0b10: 2.0, 0b00: 2.5}.get(head[1] >> 3 & 0b11)
    is_layer_iii = head[1] >> 1 & 0b11 == 0b01
    bit_rate, rate = head[2] >> 4, head[2] >> 2 & 0b11
    if version is None or not is_layer_iii or bit_rate in (0, 15) or rate == 3:
        return None
    is_mono, has_checksum = head[3] >> 6 == 0b11, not head[1] & 1
    is_mpeg_1 = version == 1
    kbps = _BIT_RATES_KBPS[1 if is_mpeg_1 else 2][bit_rate]
    rate_hz = _RATES_HZ[rate] // {1.0: 1, 2.0: 2, 2.5: 4}[version]
    samples = 1152 if is_mpeg_1 else 576
    side_bytes = (17 if is_mono else 32) if is_mpeg_1 else (9 if is_mono else 17)
    return _Frame(
        size=samples // 8 * kbps * 1000 // rate_hz + (head[2] >> 1 & 1),
        samples=samples,
        bit_rate_kbps=kbps,
        info_at=_HEADER_BYTES + 2 * has_checksum + side_bytes,
    )


def _counted_frames(file: BinaryIO, at: int) -> int | None:
    """How many frames follow, says the first one; None: it is sound like all others."""
    file.seek(at)
    info = file.read(_INFO_BYTES)
    if len(info) < _INFO_BYTES or info[:4] not in (b"Xing", b"Info") or not info[7] & 1:
        return None
    return int.from_bytes(info[8:], "big")
