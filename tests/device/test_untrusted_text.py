"""Names from strangers: on a terminal they are text, in JSON they are escaped."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from types import SimpleNamespace

import pytest
import synthetic_datasets
from helpers import one_line_refusal
from hypothesis import given
from hypothesis import strategies as st

from kws_device import Decision, Event, InputError
from kws_device._support.command import run
from kws_device._support.schema import json_text
from kws_device._support.untrusted_text import printable
from kws_device.sinks import JsonLines, Lines

HOSTILE = "\x1b[2J\x9b31m\u202eevil\u2028\r\n\udcff\x00"


@given(st.text())
def test_what_is_printable_stays_and_all_else_is_a_question_mark(text):
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    assert all(after in (before, "?") for before, after in zip(text, shown, strict=True))
    shown.encode()


def test_text_of_any_script_stays_as_it_is():
    for text in ("yes", "はい", "ja, nein", "نعم", "größer", "🙂"):
        assert printable(text) == text


def test_events_and_notes_cannot_steer_the_terminal():
    events, notes = io.StringIO(), io.StringIO()
    lines = Lines(events, notes)
    event = Event(HOSTILE, 0.9, 0.0, 1.0, HOSTILE, 0.5, False)
    lines.decided(Decision(1.0, {}, event), None)
    lines.noted(HOSTILE)
    for stream in (events, notes):
        assert stream.getvalue().count("\n") == 1
        assert stream.getvalue().rstrip("\n").isprintable()


def test_json_lines_are_ascii_and_say_what_the_name_was():
    stream = io.StringIO()
    event = Event("yes", 0.9, 0.0, 1.0, None, None, False)
    JsonLines(stream).decided(Decision(1.0, {}, event), SimpleNamespace(name=HOSTILE))
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["source"] == HOSTILE


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_not_written_as_json(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"score": number})


def test_an_error_is_one_line_whatever_it_names(capfd, monkeypatch):
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # a command replaces it by its own

    def main(argv):
        raise InputError(f"{HOSTILE}: cannot be read")

    with pytest.raises(SystemExit):
        run(main)
    told = capfd.readouterr().err
    assert told.startswith("error: ")
    assert told.rstrip("\n").isprintable()


def test_a_file_is_named_without_its_escape_sequences(command, tmp_path, shipped):
    path = tmp_path / os.fsdecode(b"\xff\x1b[2J\nerror: forged.tflite")
    path.write_bytes(b"no model")
    one_line_refusal(command("kws-listen", "--info", "--model", path), "??[2J error: forged")


def test_labels_of_a_dataset_cannot_steer_the_terminal(command, tmp_path):
    speech = synthetic_datasets.speech_commands(tmp_path / "speech")
    shutil.copytree(speech / "yes", speech / "\x1b[31mred\nforged: 1")
    result = command("kws-data", "check", speech)
    assert "?[31mred?forged: 1" in result.stderr
    assert all(line.isprintable() for line in result.stderr.splitlines())
    data = json.loads(command("kws-data", "check", speech, "--json").stdout)
    assert any("\x1b[31mred\nforged: 1" in counts for counts in data["splits"].values())
