"""The microphone through a real PortAudio, from a virtual sound card (PulseAudio), in real time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soxr
from helpers import one_line_refusal
from virtual_card import VirtualCard

from kws_device import audio_files

RATE = 44100
"""Of the virtual card; PortAudio's own choice for it, so that nothing but our code resamples."""


def played(demo):
    """The demo at the card's rate, 16 bit."""
    sound = soxr.resample(audio_files.read(demo / "demo.flac", 16000)[: 12 * 16000], 16000, RATE)
    return np.round(sound * 32767).astype(np.int16)


@pytest.fixture(scope="module")
def card(tmp_path_factory, demo):
    """A card that plays the demo, for tests that leave it as it is."""
    virtual = VirtualCard(tmp_path_factory.mktemp("pulse"), RATE, played(demo))
    virtual.start()
    yield virtual
    virtual.kill()


@pytest.fixture(scope="module")
def sound_card(card):
    """The environment in which PortAudio sees its microphones."""
    return card.environment


def test_words_played_into_a_microphone_are_heard(sound_card, demo):
    command = Path(sys.executable).with_name("kws-listen")
    with subprocess.Popen(
        [command, "--device", "playedmic", "--json"], env=sound_card, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        heard = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(2)
        rest = process.communicate(timeout=10)[0]
    script = json.loads((demo / "demo.json").read_text())
    said = [word["word"] for word in script if word["word"] in ("yes", "no", "up")]
    assert [event["keyword"] for event in heard] == said[:3]
    summary = json.loads(rest.splitlines()[-1])
    assert summary["type"] == "summary"
    assert summary["lost_s"] == 0
    assert process.returncode == 130


def test_the_sound_of_a_microphone_arrives_bit_by_bit(sound_card, tmp_path, demo):
    script = f"""
        import numpy as np
        from kws_device import Microphone
        sound = np.zeros(0, dtype=np.float32)
        for block in Microphone("playedmic").blocks({RATE}):
            sound = np.concatenate([sound, block])
            if len(sound) > 2 * {RATE}:
                break
        np.save("{tmp_path}/heard.npy", sound)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=sound_card, check=True, timeout=60)
    heard = np.load(tmp_path / "heard.npy", allow_pickle=False)
    assert len(heard) > 2 * RATE
    assert np.array_equal(heard, played(demo)[: len(heard)] / np.float32(32768))


def test_microphones_are_listed_and_found_by_a_part_of_their_name(sound_card, command):
    listed = json.loads(command("kws-listen", "--list-devices", "--json", env=sound_card).stdout)
    names = [device["name"] for device in listed]
    assert {"virtmic", "playedmic"} <= set(names)
    one_line_refusal(command("kws-listen", "--device", "mic", env=sound_card), "mic", "could be")
    one_line_refusal(command("kws-listen", "--device", "tuba", env=sound_card), "tuba", "--list-devices")


def test_no_microphone_is_said_in_one_line_with_how_to_look(command, tmp_path):
    pytest.importorskip("sounddevice", reason="PortAudio is not installed", exc_type=OSError)
    (tmp_path / "asound.conf").write_text("</usr/share/alsa/alsa.conf>\n")
    environment = {**os.environ, "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf"), "PULSE_SERVER": "unix:/-"}
    one_line_refusal(command("kws-listen", env=environment), "no microphone", "--list-devices")


def test_a_microphone_is_examined_in_plain_words(sound_card, command):
    dead = command("kws-listen", "--check", "--device", "virtmic", env=sound_card)
    assert dead.returncode == 0
    assert "nothing but silence" in dead.stdout
    alive = command("kws-listen", "--check", "--device", "playedmic", "--json", env=sound_card)
    (channel,) = json.loads(alive.stdout)["channels"]
    assert not channel["dead"]
    assert channel["speech_dbfs"] > channel["noise_dbfs"] + 6
    one_line_refusal(command("kws-listen", "--check", "--file", "x.wav", env=sound_card), "--check", "--file")
    one_line_refusal(command("kws-listen", "--device", "virtmic", "--channel", "99", env=sound_card), "99")
