"""Runs the same Python programs on this computer and on the emulated one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .._support.processes import ONE_THREAD, output
from .machine import Machine

_LISTEN = "import sys; sys.argv[0] = 'kws-listen'; from kws_device.cli.listen import entry; entry()"


class Side(Protocol):
    """A computer with the device package."""

    def python(self, arguments: Sequence[str | Path], what: str) -> None:
        """Run Python. Raises InputError where it fails."""
        ...

    def listen(self, model: Path, sound: Path) -> tuple[list[dict[str, Any]], int]:
        """What kws-listen tells of a recording, a dictionary a line, and its instructions if they count.

        Raises:
            InputError: it failed.
        """
        ...


class Here:
    """This computer."""

    def python(self, arguments: Sequence[str | Path], what: str) -> None:
        """See Side."""
        self._run(["-P", *arguments], what)

    def listen(self, model: Path, sound: Path) -> tuple[list[dict[str, Any]], int]:
        """See Side; instructions are not counted."""
        return _read(self._run(["-c", _LISTEN, *_options(model, sound)], "kws-listen here")), 0

    def _run(self, arguments: Sequence[str | Path], what: str) -> str:
        return output([sys.executable, *arguments], what, {**os.environ, **ONE_THREAD})


@dataclass(frozen=True)
class There:
    """The emulated computer."""

    machine: Machine
    device: Path
    """Folder into which the device's wheel was installed."""
    packages: Path
    """Folder of what it needs."""

    def python(self, arguments: Sequence[str | Path], what: str) -> None:
        """See Side."""
        self._run(arguments, what)

    def listen(self, model: Path, sound: Path) -> tuple[list[dict[str, Any]], int]:
        """See Side; the wheel's own console script."""
        script = self.device / "bin" / "kws-listen"
        said, instructions = self._run([script, *_options(model, sound)], "kws-listen on the Pi")
        return _read(said), instructions

    def _run(self, arguments: Sequence[str | Path], what: str) -> tuple[str, int]:
        return self.machine.run(["usr/bin/python3", *arguments], [self.device, self.packages], what)


def _options(model: Path, sound: Path) -> list[str | Path]:
    return ["--model", model, "--file", sound, "--json"]


def _read(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]
