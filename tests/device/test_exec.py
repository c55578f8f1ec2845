"""A command for each event: in order, with the event in its environment, and never in the listening's way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from kws_device import Decision, Event, InputError
from kws_device.sinks import Commands

SOURCE = SimpleNamespace(name="a microphone", state="listening")
LONG_S = 60.0


@pytest.fixture
def unheard():
    """Takes the notes of what must go well: there are none."""
    told = []
    yield told.append
    assert told == []


def fire(commands, keyword="yes", scene="rain"):
    event = Event(keyword, 0.9712, 1.5, 2.5, scene, None if scene is None else 0.61)
    commands.decided(Decision(2.5, {}, event), SOURCE)


def script(path, text):
    """A program of Python, run as `{sys.executable} path`."""
    path.write_text(textwrap.dedent(text))
    return f"{sys.executable} {path}"


def until_run(commands):
    """Wait until all that was submitted so far has ended."""
    done = threading.Event()
    commands._worker.submit(done.set)
    assert done.wait(LONG_S)


def alive(pid):
    """Whether it runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until_dead(pid):
    """Wait for the end of one that was killed."""
    deadline = time.monotonic() + LONG_S
    while alive(pid):
        assert time.monotonic() < deadline, f"{pid} still runs"
        time.sleep(0.01)


@pytest.mark.parametrize("scene", ["rain", None])
def test_the_event_is_in_the_environment(unheard, scene, tmp_path):
    program = script(
        tmp_path / "p.py",
        f"""
        import json, os, sys
        before = {set(os.environ)!r}  # of the tests: how they are run is told in such variables, too
        told = {{n: v for n, v in os.environ.items() if n.startswith("KWS_") and n not in before}}
        open({str(tmp_path / "told.json")!r}, "w").write(json.dumps([told, sys.argv[1:], sys.stdin.read()]))
        """,
    )
    commands = Commands(f"{program} 'turn it' $KWS_KEYWORD", unheard, timeout_s=LONG_S)
    fire(commands, scene=scene)
    commands.finished({})
    told, arguments, read = json.loads((tmp_path / "told.json").read_text())
    assert told == {
        "KWS_KEYWORD": "yes",
        "KWS_SCORE": "0.9712",
        "KWS_START_S": "1.5",
        "KWS_END_S": "2.5",
        "KWS_SCENE": scene or "",
        "KWS_SCENE_SCORE": "0.61" if scene else "",
        "KWS_SOURCE": "a microphone",
    }
    assert arguments == ["turn it", "$KWS_KEYWORD"]  # no shell unless asked for
    assert read == ""


def test_a_keyword_cannot_become_a_command_even_with_a_shell(unheard, tmp_path):
    commands = Commands(f'echo "$KWS_KEYWORD" >> {tmp_path}/said', unheard, shell=True, timeout_s=LONG_S)
    for keyword in ("yes", "$(touch pwned); `touch pwned`"):
        fire(commands, keyword)
    commands.finished({})
    assert (tmp_path / "said").read_text() == "yes\n$(touch pwned); `touch pwned`\n"
    assert not Path("pwned").exists()


def test_one_after_the_other_in_order(unheard, tmp_path):
    line = f'echo "+$KWS_KEYWORD" >> {tmp_path}/said; sleep 0.05; echo "-$KWS_KEYWORD" >> {tmp_path}/said'
    commands = Commands(line, unheard, shell=True, timeout_s=LONG_S)
    words = ["yes", "no", "up", "down"]
    for word in words:
        fire(commands, word)
    commands.finished({})
    assert (tmp_path / "said").read_text().split() == [sign + word for word in words for sign in "+-"]


def test_decisions_without_an_event_run_nothing(unheard, tmp_path):
    commands = Commands(f"touch {tmp_path}/run", unheard)
    commands.decided(Decision(2.5, {}, None), SOURCE)
    commands.finished({})
    assert not (tmp_path / "run").exists()


def test_it_reads_nothing_of_our_input_and_prints_nothing_into_our_output(tmp_path):
    listener = script(
        tmp_path / "listener.py",
        """
        from types import SimpleNamespace
        from kws_device import Decision, Event
        from kws_device.sinks import Commands
        commands = Commands("sh -c 'cat; echo from the command'", print, timeout_s=60)
        commands.decided(Decision(1, {}, Event("yes", 1, 0, 1, None, None)), SimpleNamespace(name="m"))
        print('{"type": "keyword"}')
        commands.finished({})
        """,
    )
    result = subprocess.run(listener.split(), input="raw sound\n", capture_output=True, text=True, check=True)
    assert result.stdout == '{"type": "keyword"}\n'
    assert result.stderr == "from the command\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("exit 3", "ended with exit code 3"),
        ("kill -15 $$", "ended with signal 15"),
        ("nosuch 2>&-", "exit code 127"),
    ],
)
def test_a_command_that_fails_is_told_once_and_the_next_one_runs(line, words, tmp_path):
    told = []
    commands = Commands(
        f"echo $KWS_KEYWORD >> {tmp_path}/said; {line}", told.append, shell=True, timeout_s=LONG_S
    )
    for word in ("yes", "no", "up"):
        fire(commands, word)
    commands.finished({})
    assert len(told) == 1
    assert told[0].startswith("--exec echo")
    assert told[0].endswith(words)
    assert (tmp_path / "said").read_text().split() == ["yes", "no", "up"]


def test_a_program_that_vanishes_later_is_told_once(tmp_path):
    program = tmp_path / "lamp"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    told = []
    commands = Commands(str(program), told.append)
    program.unlink()
    fire(commands)
    fire(commands)
    commands.finished({})
    assert told == [f"--exec {program}: failed (No such file or directory)"]


def test_one_that_hangs_is_killed_with_all_it_started_and_the_next_one_runs(tmp_path):
    told = []
    line = (
        f'[ "$KWS_KEYWORD" = no ] && {{ touch {tmp_path}/next; exit; }}; '
        f"sleep 1000 & echo $! $$ > {tmp_path}/pids.new; mv {tmp_path}/pids.new {tmp_path}/pids; sleep 1000"
    )
    commands = Commands(line, told.append, shell=True, timeout_s=1.0)
    fire(commands, "yes")
    fire(commands, "no")
    until_run(commands)
    assert (tmp_path / "next").exists()
    assert [alive(pid) for pid in (tmp_path / "pids").read_text().split()] == [False, False]
    assert told == [f"--exec {line}: killed, since it took longer than 1 s"]
    commands.finished({})


def test_what_a_command_leaves_running_is_killed_when_it_ends(unheard, tmp_path):
    line = f"sleep 1000 & echo $! >> {tmp_path}/pids; (sh -c 'sleep 1000; :' & echo $! >> {tmp_path}/pids)"
    commands = Commands(line, unheard, shell=True, timeout_s=LONG_S)
    for word in ("yes", "no"):
        fire(commands, word)
    commands.finished({})
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 4
    for pid in pids:
        until_dead(pid)


def test_what_leaves_the_group_of_a_command_goes_on(unheard, tmp_path):
    line = f"setsid sh -c 'echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; sleep 1000' & "
    wait = f"while [ ! -e {tmp_path}/pid ]; do sleep 0.01; done"
    commands = Commands(line + wait, unheard, shell=True, timeout_s=LONG_S)
    fire(commands)
    commands.finished({})
    pid = int((tmp_path / "pid").read_text())
    try:
        assert alive(pid)
    finally:
        os.killpg(pid, signal.SIGKILL)


def test_a_failing_command_takes_what_it_started_with_it(tmp_path):
    told = []
    line = f"sleep 1000 & echo $! > {tmp_path}/pid; exit 3"
    commands = Commands(line, told.append, shell=True, timeout_s=LONG_S)
    fire(commands)
    commands.finished({})
    until_dead((tmp_path / "pid").read_text().strip())
    assert told == [f"--exec {line}: ended with exit code 3"]


def test_one_that_hangs_never_holds_the_listening_up_and_what_does_not_fit_is_told(tmp_path):
    os.mkfifo(tmp_path / "gate")
    told = []
    commands = Commands(f"cat {tmp_path}/gate", told.append, timeout_s=LONG_S)
    try:
        for _ in range(60):
            fire(commands)
        assert told == [f"--exec cat {tmp_path}/gate: too slow, so one was left out"]
    finally:
        end(commands)


def test_at_the_end_what_still_runs_is_killed_and_told(tmp_path):
    os.mkfifo(tmp_path / "gate")
    told = []
    commands = Commands(f"sh -c 'echo $$ > {tmp_path}/gate; sleep 1000'", told.append, timeout_s=LONG_S)
    fire(commands)
    fire(commands)
    pid = (tmp_path / "gate").read_text().strip()
    assert alive(pid)
    end(commands)
    assert not alive(pid)
    assert [text.rsplit(": ", 1)[1] for text in told] == [
        "too slow, so the last 1 were left out",
        "killed, since listening has ended",
    ]


def end(commands):
    """The end of listening, without its patience."""
    commands._timeout_s = 0.01
    commands.finished({})


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("nosuchprogram --now", "nosuchprogram"),
        ("/etc", "no program /etc"),
        ("echo 'open", "close"),
        ("", "name a program"),
        ("  ", "name a program"),
    ],
)
def test_what_cannot_be_run_is_refused_at_the_start(command, words):
    with pytest.raises(InputError, match="--exec") as refused:
        Commands(command, print)
    assert words in str(refused.value)
