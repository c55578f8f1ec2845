"""What other programs build on: the names of the package, and the examples that show their use."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
import soxr
from helpers import ROOT
from virtual_card import VirtualCard

import kws_device
from kws_device import audio_files

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
RATE = 16000


def events(demo, seconds):
    """Keyword and end of what the shipped model hears at the beginning of the demo."""
    sound = audio_files.read(demo / "demo.flac", RATE)[: seconds * RATE]
    heard = kws_device.Spotter.load().feed(np.concatenate([sound, np.zeros(RATE // 2)]))
    return sound, [decision.event for decision in heard if decision.event is not None]


def run(name, *arguments, **options):
    """An example as a person runs it."""
    command = [sys.executable, ROOT / "examples" / name, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_every_public_name_explains_itself():
    names = [name for name in kws_device.__all__ if not name.startswith("_")]
    assert names == sorted(names)
    for name in names:
        documented = getattr(kws_device, name)
        assert inspect.getdoc(documented), name
        methods = [member for key, member in vars(documented).items() if not key.startswith("_")]
        for method in filter(inspect.isfunction, methods):
            assert inspect.getdoc(method), f"{name}.{method.__name__}"


def test_the_page_about_the_interface_has_every_public_name_and_no_other():
    page = (ROOT / "docs" / "reference" / "python-api.md").read_text(encoding="utf-8")
    described = re.findall(r"^<!-- api: kws_device\.(\w+) -->$", page, re.MULTILINE)
    assert sorted(described) == [name for name in kws_device.__all__ if not name.startswith("_")]


def test_the_version_is_that_of_the_distribution():
    assert kws_device.__version__ == metadata.version("kws-device")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_needs_nothing_but_public_names(path):
    modules = set(sys.stdlib_module_names)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= modules
        elif isinstance(node, ast.ImportFrom) and node.module == "kws_device":
            assert {alias.name for alias in node.names} <= set(kws_device.__all__)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.module.split(".")[0] in modules


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_that_is_called_wrongly_says_so_in_a_line(path, tmp_path):
    (tmp_path / "asound.conf").write_text("</usr/share/alsa/alsa.conf>\n")
    no_sound = {"ALSA_CONFIG_PATH": str(tmp_path / "asound.conf"), "PULSE_SERVER": "unix:/-"}
    process = run(path.name, "no such microphone", "0x", cwd=tmp_path, env={**os.environ, **no_sound})
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(errors.splitlines()) == 1
    assert output == ""


def test_the_example_of_a_recording_prints_its_words(demo, tmp_path):
    _, expected = events(demo, 30)
    process = run("recording.py", demo / "demo.flac")
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    printed = [line.split() for line in output.splitlines() if float(line.split()[0]) < 30]
    assert len(expected) > 3
    assert [(float(end_s), word) for end_s, _, word, *_ in printed] == [
        (pytest.approx(event.end_s, abs=0.051), event.keyword) for event in expected
    ]


def test_the_example_of_the_network_answers_with_the_words(demo):
    sound, expected = events(demo, 12)
    process = run("network.py", "localhost", 0)
    try:
        port = int(process.stdout.readline().split()[-1])
        for _ in range(2):  # one sender after the other
            with socket.create_connection(("localhost", port)) as connection:
                connection.sendall(np.round(sound * 32768).astype("<i2").tobytes())
                connection.shutdown(socket.SHUT_WR)
                *answers, summary = map(json.loads, connection.makefile().read().splitlines())
            assert [answer["keyword"] for answer in answers] == [event.keyword for event in expected]
            assert summary["audio_s"] == 12
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 130


def test_the_example_of_the_microphone_switches_its_lamp(demo, tmp_path):
    sound, _ = events(demo, 12)
    played = np.round(soxr.resample(sound, RATE, 44100) * 32767).astype(np.int16)
    folder = tmp_path / "pulse"
    folder.mkdir()
    card = VirtualCard(folder, 44100, played)
    card.start()
    try:
        listed = run("microphone.py", env=card.environment)
        assert "playedmic" in listed.communicate(timeout=60)[0]
        process = run("microphone.py", "playedmic", tmp_path / "clips", env=card.environment)
        lamp = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        card.kill()
    assert lamp == ["lamp on\n", "lamp off\n"]
    assert process.returncode == 0
    assert len(list((tmp_path / "clips").glob("*.wav"))) >= 2
