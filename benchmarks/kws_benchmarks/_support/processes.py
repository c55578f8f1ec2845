"""Runs other programs by name, never through a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from kws_device import InputError

Arguments = list[str | Path]

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Environment that keeps the usual numerical libraries to one thread."""


def require(packages: Mapping[str, str]) -> None:
    """Raises InputError, with what to install, where a program is missing.

    Args:
        packages: Debian package by program.
    """
    missing = [program for program in packages if shutil.which(program) is None]
    if missing:
        wanted = sorted({packages[program] for program in missing})
        raise InputError(f"{', '.join(missing)}: not installed; run: sudo apt install {' '.join(wanted)}")


def output(command: Sequence[str | Path], what: str, environment: Mapping[str, str] | None = None) -> str:
    """What a program prints on stdout.

    Args:
        command: the program and its arguments.
        what: it is doing, for the error.
        environment: all of it; None: this process's own.

    Raises:
        InputError: it failed; with the last line that it wrote on stderr.
    """
    result = subprocess.run(  # noqa: S603  a list, no shell; the callers' own programs
        command, capture_output=True, text=True, env=os.environ if environment is None else environment
    )
    if result.returncode != 0:
        said = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        raise InputError(f"{what} failed: {said[-1]}")
    return result.stdout
