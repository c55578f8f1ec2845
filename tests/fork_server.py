"""Runs commands without starting Python for each: a process that has imported what they need forks.

The child is the command as it is installed: the function that its console script calls, on a real
`sys.argv`, ended by Python's own exit. Only the start of Python and the imports are not repeated.
Environment variables that are read while Python or a library starts therefore count for the server alone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import runpy
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kws_device import trial
from kws_device._support.native_stderr import quiet_libraries

QUIET = {"TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
"""Environment of commands whose standard error is read."""
HANG_S = 10
"""CPU time after which a command with limits is ended."""
_SLEEP_S = 120
"""The same by the clock, for those that wait for ever: long, since other processes may have the CPU."""
_MOST_ADDRESSES_MB = 8000
"""A command with limits that grows without end fails here, before the machine does."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and what it told."""

    code: int
    """Exit code; negative: the signal that ended it."""
    hung: bool
    """Whether it was ended by force because it took too long."""
    rss_mb: float
    """Largest resident memory of the process, or of one that it started and waited for, without those
    pages of libraries that it shares with the server and never touched: up to 30 MB.
    """
    stdout: str
    stderr: str


class ForkServer:
    """Runs commands, one after the other."""

    def __init__(self, folder: Path, modules: Sequence[str], limits: bool = False) -> None:
        """Start the server.

        Args:
            folder: for the output of the commands.
            modules: to be imported before the first command. None may start threads, which survive no fork.
            limits: whether a command is ended by force when it takes too long or too much memory. Then
                the process in which a command tries a model is a fork, too.
        """
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        settings = {"modules": [*modules], "limits": limits}
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._stdout, self._stderr, json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **QUIET, "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip

    def run(self, command: Sequence[object], folder: Path | None = None) -> Outcome:
        """Run a command, its name first, in a folder or where this process is."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "command": [*map(os.fsdecode, map(str, command))],
            "environment": {**os.environ, **QUIET},
            "folder": str(folder or Path.cwd()),
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the server of {command[0]} has ended"
        code, hung, rss_mb = json.loads(answer)
        stdout, stderr = (
            path.read_text(encoding="utf-8", errors="backslashreplace")
            for path in (self._stdout, self._stderr)
        )
        return Outcome(code, hung, rss_mb, stdout, stderr)

    def close(self) -> None:
        """End the server."""
        self._process.communicate()


@contextlib.contextmanager
def serving(folder: Path, modules: Sequence[str], limits: bool = False) -> Iterator[ForkServer]:
    """A server for a while; see `ForkServer`."""
    server = ForkServer(folder, modules, limits)
    try:
        yield server
    finally:
        server.close()


def _serve(stdout: str, stderr: str, modules: Sequence[str], limits: bool) -> None:
    """Answer each command, a line of JSON, with a line about it. Returns at the end, and in every child."""
    # Ctrl-C ends the command of the moment. Whoever started the server ends the server.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    entries: dict[str, Callable[[], None]] = {}
    with quiet_libraries():
        for module in modules:
            importlib.import_module(module)
    if limits:
        trial.subprocess = SimpleNamespace(**{**vars(subprocess), "run": _fork_trial})  # type: ignore[assignment]
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        name = request["command"][0]
        if name not in entries:
            # As a module, the console script imports its function and does not call it.
            entries[name] = runpy.run_path(str(Path(sys.executable).with_name(name)))["entry"]
            # Else every child's garbage collector would copy the memory that it shares with us.
            gc.freeze()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if limits:
                _limit()
            _become(request, stdout, stderr)
            entries[name]()
            return
        print(json.dumps(_wait(child, limits)), flush=True)


def _limit() -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESSES_MB << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (HANG_S, HANG_S + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _become(request: dict[str, Any], stdout: str, stderr: str) -> None:
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv = request["command"]


def _fork_trial(arguments: Sequence[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    """What a trial run asks of `subprocess.run`, by a fork: the same function on the same streams."""
    path, engine = arguments[4:6]
    with tempfile.TemporaryFile() as content, tempfile.TemporaryFile() as answer:
        content.write(options["input"])
        content.seek(0)
        child = os.fork()
        if child == 0:
            os.setsid()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for descriptor, opened in enumerate((content.fileno(), answer.fileno(), nowhere)):
                os.dup2(opened, descriptor)
            trial.child(path, engine)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        answer.seek(0)
        return subprocess.CompletedProcess([], code, answer.read())


def _wait(child: int, limits: bool) -> tuple[int, bool, float]:
    """Exit code, whether it hung, and memory in MB."""
    ended = True
    if limits:
        descriptor = os.pidfd_open(child)
        ended = bool(select.select([descriptor], [], [], _SLEEP_S)[0])
        os.close(descriptor)
        # Whatever it left running goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    hung = not ended or (limits and code == -signal.SIGXCPU)
    return code, hung, usage.ru_maxrss / 1024


if __name__ == "__main__":
    _serve(*sys.argv[1:3], **json.loads(sys.argv[3]))
