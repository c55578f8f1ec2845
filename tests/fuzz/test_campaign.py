"""The fuzzers themselves: a fork is the command, and no broken promise is overlooked."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
from fork_server import Outcome
from fuzz.campaign import MOST_MB, Campaign, complaint
from helpers import run_installed

REFUSED = Outcome(2, False, 40.0, "", "error: a.wav: empty; record or copy it again\n")
DONE = Outcome(0, False, 40.0, '{"a": 1}\n{"a": 2}\n', "a note\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("kws-listen", "--info", "--json"),
        ("kws-export", "show", "none"),
        ("kws-data", "check", "none"),
        ("kws-bench",),
    ],
)
def test_a_fork_tells_what_a_process_of_its_own_tells(arguments, server):
    forked, started = server.run(arguments), run_installed(*arguments)
    assert (forked.code, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_a_model_is_tried_in_a_process_with_limits(server, shipped, demo, tmp_path):
    path = tmp_path / "own.tflite"
    path.write_bytes(shipped.read_bytes())
    listen = ("kws-listen", "--model", path, "--file", demo / "demo.flac", "--json")
    assert complaint(server.run(listen), as_json=True) is None
    path.write_bytes(shipped.read_bytes()[:-1])
    assert server.run(listen).code == 2


@pytest.mark.parametrize("outcome", [DONE, REFUSED])
def test_a_promise_that_is_kept_is_no_complaint(outcome):
    assert complaint(outcome, as_json=True) is None


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (replace(DONE, code=-signal.SIGSEGV), "signal 11"),
        (replace(DONE, code=-signal.SIGKILL, hung=True), "takes over 10 s"),
        (replace(DONE, code=1), "exit code 1"),
        (replace(DONE, stderr="Traceback (most recent call last):\nKeyError: 1\n"), "KeyError: 1"),
        (replace(DONE, rss_mb=MOST_MB + 1.0), "501 MB"),
        (replace(DONE, stdout='{"a": NaN}'), "no JSON"),
        (replace(DONE, stdout="heard"), "no JSON"),
        (replace(DONE, stderr="heard \x1b[2J"), r"'\x1b'"),
        (replace(REFUSED, stderr=""), "0 lines of error"),
        (replace(REFUSED, stderr=2 * REFUSED.stderr), "2 lines of error"),
    ],
)
def test_a_promise_that_is_broken_is_named(outcome, words):
    assert words in (complaint(outcome, as_json=True) or "")


class Crashing:
    """A server whose commands end by a signal."""

    def run(self, command):
        return replace(DONE, code=-signal.SIGABRT)


def test_a_finding_is_kept_with_the_command_that_does_it_again(tmp_path):
    def make(rng, folder):
        (folder / "a.wav").write_text(str(rng.random()))
        return ("kws-listen", "--file", folder / "a.wav")

    campaign = Campaign(Crashing(), tmp_path, tmp_path / "findings", mutants=2, seed=3)
    with pytest.raises(AssertionError, match="2 mutants break something") as found:
        campaign.run("wav", make)
    kept = [tmp_path / "findings" / f"wav-3-{number}" / "a.wav" for number in (0, 1)]
    assert kept[0].read_text() != kept[1].read_text()
    assert all(f"kws-listen --file {path}{os.linesep}" in f"{found.value}\n" for path in kept)
