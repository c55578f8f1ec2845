"""What benchmarks build once: whole or not there, and refused in one line where something is missing."""

from __future__ import annotations

import os
import sys
import time

import pytest

from kws_benchmarks._support.build_cache import built
from kws_benchmarks._support.processes import output, require
from kws_device import InputError


def test_a_folder_is_built_once(tmp_path):
    calls = []

    def build(folder):
        calls.append(folder)
        (folder / "content").write_text("whole")

    for _ in range(2):
        assert (built(tmp_path / "cache" / "thing", build) / "content").read_text() == "whole"
    assert len(calls) == 1


def test_what_was_interrupted_is_never_used(tmp_path):
    def interrupted(folder):
        (folder / "content").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(tmp_path / "thing", interrupted)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path):
    for name, age_s in ((".building-old", 90_000), (".building-new", 0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").touch()
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    built(tmp_path / "thing", lambda folder: None)
    assert {path.name for path in tmp_path.iterdir()} == {"thing", ".building-new"}


def test_where_another_was_quicker_its_folder_serves(tmp_path):
    def build(folder):
        (tmp_path / "thing").mkdir()
        (tmp_path / "thing" / "content").write_text("theirs")
        (folder / "content").write_text("ours")

    assert (built(tmp_path / "thing", build) / "content").read_text() == "theirs"


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file.*--cache"):
        built(tmp_path / "file" / "thing", lambda folder: None)


def test_a_missing_program_is_named_with_its_debian_package():
    require({"sh": "dash"})
    with pytest.raises(InputError, match=r"^no-such-program: not installed; run: sudo apt install such$"):
        require({"no-such-program": "such", "sh": "dash"})


def test_a_program_that_fails_is_quoted_with_its_last_line():
    script = "import sys; print('first', file=sys.stderr); sys.exit('the reason')"
    with pytest.raises(InputError, match=r"^counting failed: the reason$"):
        output([sys.executable, "-c", script], "counting")
    assert output([sys.executable, "-c", "print(1)"], "counting") == "1\n"
