"""Runs commands without starting Python for each: a process that has imported everything forks.

The child is the command as it is installed: the function that its console script calls, on a real
`sys.argv`, ended by Python's own exit. Only the start of Python and the imports are not repeated,
for the command as for the process of its own in which it tries a model.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kws_device import trial

HANG_S = 10
"""Of CPU time."""
_SLEEP_S = 120
"""By the clock, for those that wait for ever: long, since other processes may have the CPU."""
MOST_MB = 500
_MOST_ADDRESSES_MB = 8000
"""A child that grows without end fails here, before the machine does."""
_COMMANDS = ("kws-listen", "kws-data", "kws-train", "kws-export", "kws-bench")
_MODULES = (
    "ai_edge_litert.interpreter", "soundfile", "soxr", "kws_device.spotter",
    "kws_benchmarks.robustness.compare", "kws_export.cli", "kws_training.data.check",
    "kws_training.loop.runs",
)  # fmt: skip


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

    def __init__(self, folder: Path) -> None:
        """Start the server; `folder` is for the output of the commands."""
        self._stdout, self._stderr = folder / "stdout", folder / "stderr"
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._stdout, self._stderr],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip

    def run(self, command: Sequence[object]) -> Outcome:
        """Run a command, its name first."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([*map(os.fsdecode, map(str, command))]) + "\n")
        self._process.stdin.flush()
        code, hung, rss_mb = json.loads(self._process.stdout.readline())
        stdout, stderr = (
            path.read_text(encoding="utf-8", errors="backslashreplace")
            for path in (self._stdout, self._stderr)
        )
        return Outcome(code, hung, rss_mb, stdout, stderr)

    def close(self) -> None:
        """End the server."""
        self._process.communicate()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[ForkServer]:
    """A server for a while."""
    server = ForkServer(folder)
    try:
        yield server
    finally:
        server.close()


def _serve(stdout: str, stderr: str) -> None:
    """Answer each command, a line of JSON, with a line about it. Returns at the end, and in every child."""
    entries = {name: entry_points(group="console_scripts")[name].load() for name in _COMMANDS}
    for module in _MODULES:
        importlib.import_module(module)
    trial.subprocess = SimpleNamespace(**{**vars(subprocess), "run": _fork_trial})  # type: ignore[assignment]
    # Else every child's garbage collector would copy the memory that it shares with us.
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        command = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(command, stdout, stderr)
            entries[command[0]]()
            return
        print(json.dumps(_wait(child)), flush=True)


def _become(command: list[str], stdout: str, stderr: str) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESSES_MB << 20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (HANG_S, HANG_S + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for descriptor, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.argv = command


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


def _wait(child: int) -> tuple[int, bool, float]:
    """Exit code, whether it hung, and memory in MB."""
    descriptor = os.pidfd_open(child)
    ended, _, _ = select.select([descriptor], [], [], _SLEEP_S)
    os.close(descriptor)
    # Whatever it left running goes with it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    hung = not ended or code == -signal.SIGXCPU
    return code, hung, usage.ru_maxrss / 1024


if __name__ == "__main__":
    _serve(*sys.argv[1:])
