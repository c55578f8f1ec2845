"""Outputs that cannot be written and names that cannot be printed: one line, and never a traceback."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from helpers import console_script, one_line_refusal

from kws_device import audio_files

RATE = 16000
LISTEN = Path(sys.executable).with_name("kws-listen")
NOT_UTF_8 = b"caf\xe9.wav"
NO_ROOM = "ulimit -f 0; "
"""Nothing can be written into files by what follows, as on a full disk."""


def shell(line, **options):
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def words(demo, tmp_path_factory):
    """A recording with words in it, of a name that is not UTF-8."""
    path = Path(os.fsdecode(os.fsencode(tmp_path_factory.mktemp("words")) + b"/" + NOT_UTF_8))
    with path.open("wb") as file:
        soundfile.write(file, audio_files.read(demo / "demo.flac", RATE)[: 6 * RATE], RATE, format="WAV")
    return path


@pytest.mark.parametrize("options", ["--info", "--json --file", "--file"])
def test_standard_output_that_is_closed_is_told_in_one_line(options, demo):
    sound = demo / "demo.flac" if options.endswith("--file") else ""
    result = shell(f"exec {LISTEN} {options} {sound} >&-")
    one_line_refusal(result, "standard output: cannot be written (Bad file descriptor)")


@pytest.mark.parametrize("options", ["--info", "--json --file", "--file"])
@pytest.mark.parametrize(
    ("unbuffered", "place"), [("", "standard output"), ("1", "standard output or a file")]
)
def test_standard_output_that_is_full_is_told_in_one_line(unbuffered, place, options, demo, tmp_path):
    sound = demo / "demo.flac" if options.endswith("--file") else ""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    result = shell(f"{NO_ROOM}exec {LISTEN} {options} {sound} > {tmp_path}/out", env=environment)
    one_line_refusal(result, f" {place}: cannot be written (File too large); make room")


def test_help_that_cannot_be_written_is_told_in_one_line(tmp_path):
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    result = shell(f"{NO_ROOM}exec {LISTEN} --help > {tmp_path}/out", env=environment)
    one_line_refusal(result, " standard output: cannot be written (File too large); make room")


def test_standard_error_that_is_full_ends_no_listening(demo, tmp_path):
    log = tmp_path / "log"
    result = shell(f"{NO_ROOM}exec {LISTEN} --json --exec false --file {demo / 'demo.flac'} 2> {log}")
    assert result.returncode == 0
    assert json.loads(result.stdout.splitlines()[-1])["type"] == "summary"
    assert shell(f"{NO_ROOM}exec {LISTEN} --file {tmp_path / 'none.wav'} 2> {log}").returncode == 2


@pytest.mark.parametrize("name", ["kws-data", "kws-train", "kws-export", "kws-bench"])
def test_every_command_speaks_while_a_library_is_kept_quiet(name):
    console_script(name)
    script = (
        "import sys; from importlib.metadata import entry_points\n"
        "from kws_device._support.native_stderr import quiet_libraries\n"
        f"entry = entry_points(group='console_scripts')[{name!r}].load()\n"
        "def main(argv):\n"
        "    with quiet_libraries(): print('told', file=sys.stderr)\n"
        "    return 0\n"
        "entry.__globals__['main'] = main\n"
        "entry()"
    )
    result = shell(f"exec {sys.executable} -c {shlex.quote(script)}")
    assert (result.returncode, result.stderr) == (0, "told\n")


def test_standard_error_that_is_closed_is_no_crash_and_goes_nowhere_else(demo):
    result = shell(f"exec {LISTEN} --json --exec false --file {demo / 'demo.flac'} 2>&-")
    assert result.returncode == 0
    assert {json.loads(line)["type"] for line in result.stdout.splitlines()} == {"keyword", "summary"}


def test_standard_input_that_is_closed_is_told_in_one_line():
    one_line_refusal(shell(f"exec {LISTEN} --stdin <&-"), "stdin: cannot be read (Bad file descriptor)")


def test_a_full_disk_under_the_clips_is_told_and_the_listening_goes_on(demo, tmp_path):
    clips = tmp_path / "clips"
    result = shell(f"{NO_ROOM}exec {LISTEN} --json --save-clips {clips} --file {demo / 'demo.flac'}")
    assert result.returncode == 0
    assert result.stderr.splitlines() == [f"--save-clips {clips}: failed (File too large)"]
    assert json.loads(result.stdout.splitlines()[-1])["type"] == "summary"
    assert list(clips.iterdir()) == []


def test_a_full_disk_under_an_output_names_it_and_leaves_nothing_behind(tmp_path):
    script = (
        "from pathlib import Path; from kws_device._support import atomic, command; "
        "command.run(lambda _: atomic.write_text(Path('report.json'), 'long' * 1000))"
    )
    (tmp_path / "report.json").write_text("the one before")
    result = shell(f"{NO_ROOM}exec {sys.executable} -c {shlex.quote(script)}", cwd=tmp_path)
    one_line_refusal(result, "report.json: cannot be written (File too large); make room")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text() == "the one before"


def test_another_failure_of_the_system_stays_a_crash_of_ours(tmp_path):
    script = "from kws_device._support import command; command.run(lambda _: open('nosuch'))"
    result = shell(f"exec {sys.executable} -c {shlex.quote(script)}", cwd=tmp_path)
    assert result.returncode == 1
    assert "FileNotFoundError" in result.stderr


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_a_name_that_is_not_utf_8_is_heard_told_and_passed_on(locale, words, tmp_path):
    environment = {**os.environ, "LC_ALL": locale}
    name, seen = os.fsencode(words), tmp_path / "seen"
    command = f"sh -c 'printf %s \"$KWS_SOURCE\" > {seen}'"
    clips = os.fsencode(tmp_path) + b"/clips-\xe9"
    heard = subprocess.run(
        [LISTEN, "--json", "--save-clips", clips, "--exec", command, "--file", name],
        capture_output=True, env=environment,
    )  # fmt: skip
    assert (heard.returncode, heard.stderr) == (0, b"")
    events = [json.loads(line) for line in heard.stdout.splitlines()[:-1]]
    assert events
    assert {os.fsencode(event["source"]) for event in events} == {name}
    assert seen.read_bytes() == name
    assert len(list(Path(os.fsdecode(clips)).iterdir())) == len(events)
    plain = subprocess.run([LISTEN, "--file", name], capture_output=True, env=environment)
    assert len(plain.stdout.splitlines()) == len(events)


@pytest.mark.parametrize("option", ["--file", "--model"])
def test_a_name_that_is_not_utf_8_is_refused_in_one_line(option):
    result = subprocess.run([LISTEN, option, b"none-" + NOT_UTF_8], capture_output=True, text=True)
    one_line_refusal(result, "none-caf?.wav")
