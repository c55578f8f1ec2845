"""MP3 files: whole ones are read to the last sample, all others are refused rather than played in part."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kws_device import InputError, audio_files
from kws_device.audio_files import mp3

RATE = 16000
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""All that there are."""


def sound(rate=RATE, seconds=3.0):
    """Noise, then silence: a variable bit rate does vary."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, round(rate * seconds / 3))
    return np.concatenate([noise, np.zeros(round(rate * seconds) - len(noise))]).astype(np.float32)


def written(rate=RATE, mode="VARIABLE", channels=1):
    """The content of an MP3 file."""
    file = io.BytesIO()
    samples = np.stack([sound(rate)] * channels, axis=1)
    soundfile.write(file, samples, rate, format="MP3", bitrate_mode=mode, compression_level=0.5)
    return file.getvalue()


def without_header(content):
    """The same without its first frame, which counts the others."""
    return content[mp3._frame_at(io.BytesIO(content), 0).size :]


def tagged(content, size):
    """The same behind an ID3 tag, with a picture in it, say."""
    seven_bits = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + seven_bits + bytes(size) + content


@pytest.fixture
def read(tmp_path):
    """Reads what a file of this content would give."""

    def call(content, rate=RATE):
        path = tmp_path / "talk.mp3"
        path.write_bytes(content)
        return audio_files.read(path, rate)

    return call


@pytest.mark.parametrize("mode", ["CONSTANT", "AVERAGE", "VARIABLE"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", RATES)
def test_every_kind_of_mp3_is_read_to_the_sample(rate, channels, mode, read):
    content = written(rate, mode, channels)
    assert len(read(content, rate)) == len(sound(rate))
    assert len(read(tagged(content, 200_000) + b"TAG" + bytes(125), rate)) == len(sound(rate))


@pytest.mark.parametrize("rate", RATES)
def test_a_constant_bit_rate_needs_no_header(rate, read):
    bare = without_header(written(rate, "CONSTANT"))
    for content in (
        bare,
        bare + b"TAG" + bytes(125),
        bare + b"APETAGEX" + bytes(3000),
        tagged(bare, 200_000),
    ):
        heard = read(content, rate)
        assert len(sound(rate)) <= len(heard) <= len(sound(rate)) + 3 * 1152


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(part=st.floats(0, 1, exclude_max=True), mode=st.sampled_from(["CONSTANT", "VARIABLE"]))
def test_no_part_of_an_mp3_is_taken_for_all_of_it(part, mode, read, capfd):
    content = written(mode=mode)
    with pytest.raises(InputError, match=r"talk\.mp3: (truncated|empty|not audio)"):
        read(content[: int(part * len(content))])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("bytes_left", [1, 3, 4, 100])
def test_a_cut_last_frame_is_seen_without_a_header(bytes_left, read):
    bare = without_header(written(mode="CONSTANT"))
    with pytest.raises(InputError, match=r"talk\.mp3: truncated"):
        read(bare + bare[:bytes_left])


def test_a_varying_bit_rate_without_a_header_is_refused_since_libsndfile_would_play_a_part(read):
    with pytest.raises(InputError, match=r"talk\.mp3: its header .*convert it to flac"):
        read(without_header(written()))


def test_two_recordings_in_one_file_are_refused_since_libsndfile_would_play_the_first(read):
    with pytest.raises(InputError, match=r"talk\.mp3: its header .*convert it to flac"):
        read(written() * 2)
    with pytest.raises(InputError, match=r"talk\.mp3: damaged at byte \d+"):
        read(tagged(written(), 100) * 2)


def test_damage_between_two_frames_is_named_by_its_place(read, capfd):
    content = written()
    frame = mp3._frame_at(io.BytesIO(content), 0).size
    with pytest.raises(InputError, match=rf"talk\.mp3: damaged at byte {frame}"):
        read(content[:frame] + b"junk" * 1000 + content[frame:])
    assert capfd.readouterr().err == ""


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=400), st.binary(max_size=20))
def test_a_walk_ends_whatever_the_bytes_are(start, more):
    content = b"\xff\xf3\x88\xc4" + start + b"\xff\xfb\x90\x00" + more
    found = mp3.scan(io.BytesIO(content), len(content))
    assert found is None or found.samples % 576 == 0


@pytest.mark.parametrize(
    ("suffix", "formats", "subtypes"), [(".mp3", {"WAV": ""}, {"VORBIS": ""}), (".opus", {"MP3": ""}, {})]
)
def test_an_old_libsndfile_is_told_in_one_line(suffix, formats, subtypes, tmp_path, monkeypatch):
    monkeypatch.setattr(soundfile, "available_formats", lambda: formats)
    monkeypatch.setattr(soundfile, "available_subtypes", lambda format: subtypes)
    path = tmp_path / f"talk{suffix}"
    path.write_bytes(b"no format that it knows")
    with pytest.raises(InputError, match=rf"talk{suffix}: libsndfile .* does not read {suffix}; install 1\."):
        audio_files.read(path, RATE)


def test_every_real_mp3_is_read_to_its_end(data):
    paths = sorted((data / "talk" / "read").rglob("*.mp3"))
    if not paths:
        pytest.skip(f"no MP3 files in {data / 'talk'}")
    for path in paths[::50]:
        with path.open("rb") as file:
            frames = mp3.scan(file, path.stat().st_size)
        samples = sum(map(len, audio_files.blocks(path, RATE)))
        # LAME puts 576 samples of delay and up to two frames of padding around what it was given.
        assert 576 <= frames.samples - samples <= 576 + 2 * 1152
