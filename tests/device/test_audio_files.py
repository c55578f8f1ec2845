"""Sound files of every kind that people have, and of every kind that is broken."""

from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kws_device import InputError, audio_files
from kws_device.audio_files import container

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


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_flac_without_its_length_as_encoders_write_it_into_a_pipe_is_read_to_its_end(rate, tmp_path):
    path = tmp_path / "tone.flac"
    soundfile.write(path, tone(rate), rate)
    whole = audio_files.read(path, RATE)
    content = bytearray(path.read_bytes())
    # The last 36 of the 64 bits behind the frame sizes of STREAMINFO, which begins at byte 8.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert np.array_equal(audio_files.read(path, RATE), whole)


def test_a_small_file_that_unpacks_to_many_hours_is_not_kept_in_memory(tmp_path):
    path = tmp_path / "silence.flac"
    with soundfile.SoundFile(path, "w", 4000, 1) as file:
        for _ in range(5):
            file.write(np.zeros(3600 * 4000, np.int16))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="longer than 4 hours; cut it into pieces"):
        audio_files.read(path, 4000)
    assert sum(map(len, audio_files.blocks(path, 4000))) == 5 * 3600 * 4000


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


NEVER_WRITTEN = 0
WHOLE, BEFORE_THE_SOUND = "whole", "before the sound"


def wav_with_sizes(path, riff_size, data_size, behind=b""):
    """A wav of the tone whose header has these sizes, as it is where its writer never came back to it."""
    soundfile.write(path, tone(), RATE)
    content = bytearray(path.read_bytes())
    sizes = {WHOLE: (len(content) - 8, len(content) - 44), BEFORE_THE_SOUND: (36, 0)}
    for at, size, true in ((4, riff_size, 0), (40, data_size, 1)):
        content[at : at + 4] = struct.pack("<I", sizes[size][true] if size in sizes else size)
    path.write_bytes(content + behind)
    return path


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFFF24])
def test_a_wav_that_was_written_to_a_pipe_is_read(size, tmp_path, caplog):
    path = wav_with_sizes(tmp_path / "piped.wav", size, size - 36)
    assert len(audio_files.read(path, RATE)) == len(tone())
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("riff_size", "data_size"),
    [
        (NEVER_WRITTEN, NEVER_WRITTEN),
        (BEFORE_THE_SOUND, NEVER_WRITTEN),
        (WHOLE, NEVER_WRITTEN),
        (0xFFFFFFFF, NEVER_WRITTEN),
        (NEVER_WRITTEN, WHOLE),
        (NEVER_WRITTEN, 0xFFFFFFFF),
    ],
)
def test_what_a_recorder_that_died_left_is_read_to_its_end_and_told_once(
    riff_size, data_size, tmp_path, caplog
):
    path = wav_with_sizes(tmp_path / "died.wav", riff_size, data_size)
    soundfile.write(tmp_path / "whole.wav", tone(), RATE)
    for _ in range(2):
        assert np.array_equal(audio_files.read(path, RATE), audio_files.read(tmp_path / "whole.wav", RATE))
    (told,) = caplog.messages
    assert told.startswith(f"{path}: ")


def test_a_recording_without_samples_stays_empty_whatever_stands_behind_it(tmp_path, caplog):
    path = tmp_path / "empty.wav"
    comment = b"LIST" + struct.pack("<I", 26) + b"INFOISFT\x0e\0\0\0Lavf58.76.100\0"
    soundfile.write(path, np.zeros(0), RATE)
    content = bytearray(path.read_bytes() + comment)
    content[4:8] = struct.pack("<I", len(content) - 8)
    path.write_bytes(content)
    assert len(audio_files.read(path, RATE)) == 0
    assert caplog.messages == []


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate=st.integers(0, 2**32 - 1) | st.integers(3_900, 4_100) | st.integers(767_900, 768_100))
def test_no_rate_in_a_header_is_taken_that_nobody_records_at(rate, tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(seconds=0.1), RATE)
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", rate)
    path.write_bytes(content)
    if 4_000 <= rate <= 768_000:
        samples = sum(map(len, audio_files.blocks(path, RATE)))
        assert samples == pytest.approx(0.1 * RATE * RATE / rate, abs=3)
    else:
        with pytest.raises(InputError, match=r"tone\.wav: (a rate of|not audio)"):
            audio_files.read(path, RATE)


def test_channels_are_bounded_and_many_do_not_make_large_blocks(tmp_path):
    many = tmp_path / "many.wav"
    soundfile.write(many, np.stack([tone(48000, 3.0)] * 64, axis=1), 48000)
    sizes = [len(block) for block in audio_files.blocks(many, 48000)]
    assert sum(sizes) == 3 * 48000
    assert max(sizes) * 64 <= 2**20
    soundfile.write(tmp_path / "more.wav", np.zeros((10, 65)), 48000)
    with pytest.raises(InputError, match=r"more\.wav: 65 channels; at most 64"):
        audio_files.read(tmp_path / "more.wav", RATE)


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


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.nan, "that is not a finite number"),
        (np.inf, "that is not a finite number"),
        (1e20, r"of 1e\+20, full scale is 1"),
        (-1e20, r"of 1e\+20, full scale is 1"),
    ],
)
def test_samples_that_are_no_sound_are_refused(bad, words, tmp_path):
    sound = tone()
    sound[len(sound) // 2] = bad
    soundfile.write(tmp_path / "bad.wav", sound, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=rf"bad\.wav: has a sample {words}"):
        audio_files.read(tmp_path / "bad.wav", RATE)


def test_integers_that_were_stored_as_floating_point_are_read(tmp_path):
    soundfile.write(tmp_path / "integers.wav", tone() * 2**31, RATE, subtype="FLOAT")
    assert np.array_equal(audio_files.read(tmp_path / "integers.wav", RATE), tone() * 2**31)


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
            container.inspect(path)


def test_the_listener_tells_one_line_about_a_recorder_that_died(command, demo, tmp_path):
    path = tmp_path / "died.wav"
    soundfile.write(path, audio_files.read(demo / "demo.flac", RATE)[: 5 * RATE], RATE)
    whole = command("kws-listen", "--json", "--file", path)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = bytes(4)
    path.write_bytes(content)
    died = command("kws-listen", "--json", "--file", path)
    assert died.returncode == 0
    assert died.stderr.splitlines() == [
        f"{path}: its length was never written, did the recorder die? read to its end"
    ]
    assert died.stdout.splitlines()[:-1] == whole.stdout.splitlines()[:-1] != []
