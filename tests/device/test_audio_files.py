"""Sound files of every kind that people have, and of every kind that is broken."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
import soundfile

from kws_device import audio_files
from kws_device.errors import InputError

RATE = 16000


def tone(rate=RATE, seconds=2.5, hz=440.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_any_format_rate_and_channel_count_sounds_the_same(suffix, rate, channels, tmp_path):
    path = tmp_path / f"tone{suffix}"
    soundfile.write(path, np.stack([tone(rate)] * channels, axis=1), rate)
    sound = audio_files.read(path, RATE)
    assert sound.dtype == np.float32
    assert abs(len(sound) - len(tone())) <= 2
    middle = slice(RATE // 2, 2 * RATE)
    assert np.abs(sound[middle] - tone()[middle]).max() < (0.05 if suffix == ".ogg" else 2e-3)


@pytest.mark.parametrize(("suffix", "subtype"), [(".opus", "OPUS"), (".mp3", "MPEG_LAYER_III")])
def test_opus_and_mp3_are_read_too(suffix, subtype, tmp_path):
    path = tmp_path / f"tone{suffix}"
    soundfile.write(path, tone(), RATE, format={".opus": "OGG", ".mp3": "MP3"}[suffix], subtype=subtype)
    sound = audio_files.read(path, RATE)
    assert abs(len(sound) - len(tone())) < 0.1 * RATE
    middle = sound[RATE // 2 : 2 * RATE]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_a_damaged_mp3_frame_leaves_standard_error_clean(tmp_path, capfd):
    path = tmp_path / "talk.mp3"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE)
    soundfile.write(path, noise, RATE, format="MP3", subtype="MPEG_LAYER_III")
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(1)
    for place in rng.integers(len(content) // 2, len(content), 200):
        content[place] ^= 0xFF
    path.write_bytes(content)
    with contextlib.suppress(InputError):
        audio_files.read(path, RATE)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_any_bit_depth_is_read(subtype, tmp_path):
    soundfile.write(tmp_path / "tone.wav", tone(), RATE, subtype=subtype)
    assert np.abs(audio_files.read(tmp_path / "tone.wav", RATE) - tone()).max() < 0.01


def test_channels_are_averaged(tmp_path):
    soundfile.write(tmp_path / "half.wav", np.stack([tone(), 0 * tone()], axis=1), RATE, subtype="FLOAT")
    assert np.allclose(audio_files.read(tmp_path / "half.wav", RATE), tone() / 2, atol=1e-6)


def test_a_recording_without_samples_is_no_error(tmp_path):
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), RATE)
    assert len(audio_files.read(tmp_path / "nothing.wav", RATE)) == 0


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused_by_name(suffix, part, tmp_path):
    path = tmp_path / f"cut{suffix}"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 8 * RATE)
    soundfile.write(path, noise, RATE)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(InputError, match=rf"cut\{suffix}: (truncated|damaged)"):
        audio_files.read(path, RATE)


def test_a_wav_that_was_written_to_a_pipe_is_read(tmp_path):
    path = tmp_path / "piped.wav"
    soundfile.write(path, tone(), RATE)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert len(audio_files.read(path, RATE)) == len(tone())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"this is a letter, not a song\n" * 9, "not audio"),
        (b"RIFF", "not audio"),
        (b"OggS", ""),
    ],
)
def test_what_is_not_audio_is_refused_by_name(content, words, tmp_path):
    path = tmp_path / "song.wav"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"song\.wav: .*{words}"):
        audio_files.read(path, RATE)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(bad, tmp_path):
    sound = tone()
    sound[len(sound) // 2] = bad
    soundfile.write(tmp_path / "bad.wav", sound, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"bad\.wav: has a sample that is not a finite number"):
        audio_files.read(tmp_path / "bad.wav", RATE)


def test_a_folder_and_a_missing_file_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="a folder"):
        audio_files.read(tmp_path, RATE)
    with pytest.raises(InputError, match=r"none\.wav: cannot be read"):
        audio_files.read(tmp_path / "none.wav", RATE)


def test_every_real_recording_is_whole(data):
    for folder in ("speech_commands_mini/yes", "esc10/audio", "negatives/eval", "noise/test"):
        paths = sorted(path for path in (data / folder).rglob("*") if path.suffix in audio_files.SUFFIXES)[
            :50
        ]
        assert paths
        for path in paths:
            assert not audio_files._is_cut(path), path
