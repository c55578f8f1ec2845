"""Start-up time and memory of a fresh process that listens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kws_device import InputError

from .._support.processes import ONE_THREAD, output

_STARTUP_SCRIPT = Path(__file__).with_name("startup_script.py")
_PIPELINE_SCRIPT = Path(__file__).with_name("pipeline_script.py")


@dataclass(frozen=True)
class Fresh:
    """What one fresh process took."""

    startup_ms: float
    """Wall time from its start to the first decision."""
    rss_mb: float
    """Its largest resident memory, when it had heard all."""


def cpu_afresh_s(model: Path, sound: Path) -> float:
    """CPU time of a pass over a recording, its start not counted.

    In a process of its own, as the peers': where code and model come to lie in memory decides how well they
    go together in the processor's caches, by up to a half, and is another in every process.

    Raises:
        InputError: it failed.
    """
    return float(
        output(
            [sys.executable, "-P", _PIPELINE_SCRIPT, model, sound], str(model), {**os.environ, **ONE_THREAD}
        )
    )


def listen_afresh(model: Path, sound: Path) -> Fresh:
    """Start Python, let it listen to a recording with the device package alone, and wait for its end.

    Raises:
        InputError: it failed; its own complaint is on stderr.
    """
    began_s = time.perf_counter()
    # -P: the folder of the script is no place to import from.
    with subprocess.Popen(  # noqa: S603  this Python and our own script
        [sys.executable, "-P", _STARTUP_SCRIPT, model, sound],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD},
    ) as process:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        process.stdout.readline()
        startup_s = time.perf_counter() - began_s
        rest = process.stdout.read()
    if process.returncode != 0:
        raise InputError(f"{model}: a new process could not listen with it; see the messages above")
    return Fresh(1000 * startup_s, int(rest) * 1024 / 1e6)
