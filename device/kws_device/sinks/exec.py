"""Runs a command for each event."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from .._support.errors import InputError
from ..events import Decision, Event
from ..sources import AudioSource
from .rate_limit import RateLimitedNotes
from .sink import Sink
from .worker import Worker

_WAITING = 32
"""Events that may wait: as many as a recording brings at once, which is heard faster than it was said."""
_STDERR = 2
_REAPING_S = 1.0


class Commands(Sink):
    """Runs a command for each event, which it finds in its environment; one after the other, in order.

    Each runs in a process group of its own. What it leaves running when it ends is killed, so that nothing
    piles up in a year; what has to go on must leave the group (setsid). A command that fails, or takes too
    long and is killed with all that it started, is noted.
    """

    def __init__(
        self, command: str, note: Callable[[str], None], shell: bool = False, timeout_s: float = 10.0
    ) -> None:
        """`command` is a program and its arguments, quoted as in a shell, or with `shell` a shell's line.

        Raises:
            InputError: there is no such program, or the quotes do not match.
        """
        self._name = f"--exec {command}"
        self._arguments = ["sh", "-c", command] if shell else _split(command)
        self._timeout_s = timeout_s
        self._notes = RateLimitedNotes(note)
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._worker = Worker(self._name, self._notes, _WAITING)

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """See Sink."""
        if decision.event is not None:
            told = environment(decision.event, source.name)
            self._worker.submit(lambda: self._run(told))

    def finished(self, summary: dict[str, Any]) -> None:
        """See Sink. Waits for what is queued, at most the timeout; then kills."""
        try:
            self._worker.close(self._timeout_s)
        finally:
            # Also where somebody does not want to wait so long and presses Ctrl-C again.
            with self._lock:
                self._ended.set()
                if self._running is not None:
                    _kill(self._running)
        self._worker.close(_REAPING_S)

    def _run(self, told: dict[str, str]) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            # S603: the command is the user's own. A session of its own can be killed whole, and
            # Ctrl-C at our terminal does not reach it.
            self._running = subprocess.Popen(  # noqa: S603
                self._arguments,
                env={**os.environ, **told},
                stdin=subprocess.DEVNULL,
                stdout=_STDERR,
                start_new_session=True,
            )
        try:
            code = self._running.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            _kill(self._running)
            self._running.wait()
            self._notes("timeout", f"{self._name}: killed, since it took longer than {self._timeout_s:g} s")
            return
        finally:
            with self._lock:
                _kill(self._running)
                self._running = None
        if self._ended.is_set() and code == -signal.SIGKILL:
            self._notes("timeout", f"{self._name}: killed, since listening has ended")
        elif code:
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            self._notes("code", f"{self._name}: ended with {how}")


def environment(event: Event, source: str) -> dict[str, str]:
    """The event as environment variables; those of the scene are empty where the model hears none."""
    values = {
        "KWS_KEYWORD": event.keyword,
        "KWS_SCORE": event.score,
        "KWS_START_S": event.start_s,
        "KWS_END_S": event.end_s,
        "KWS_SCENE": event.scene,
        "KWS_SCENE_SCORE": event.scene_score,
        "KWS_SOURCE": source,
    }
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _split(command: str) -> list[str]:
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise InputError(f"--exec {command}: {error}; close what you opened") from error
    if not arguments:
        raise InputError("--exec: empty; name a program")
    if shutil.which(arguments[0]) is None:
        raise InputError(
            f"--exec {command}: no program {arguments[0]} can be run; install it, give its path, "
            "or add --shell for a line of shell"
        )
    return arguments


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill all of a command's process group, also where the command itself has ended.

    The group keeps its number while anybody is in it. Empty, it is free for others, but only after all
    others of the system were used up: not in the moment that passes here.
    """
    with suppress(ProcessLookupError):  # nobody is left in it
        os.killpg(process.pid, signal.SIGKILL)
