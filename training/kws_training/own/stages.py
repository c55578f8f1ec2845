"""Runs stages in order under one progress bar; finished stages are skipped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from kws_device import InputError
from kws_device._support import atomic

Progress = Callable[[float], None]
"""Tells which share of a stage is done."""

_EPOCH = re.compile(r"epoch (\d+)/(\d+): .*")
_PATIENCE_S = 3.0


@dataclass(frozen=True)
class Stage:
    """A step on the way to the model."""

    name: str
    """Of its mark in the folder of work."""
    about: str
    """What people read while it runs."""
    minutes: float
    """About how long it takes on two cores, for the bar."""
    run: Callable[[Progress], None]


def run_stages(stages: Sequence[Stage], work: Path) -> None:
    """Run what is not done yet. Raises what a stage raises; the next call goes on there.

    SIGTERM raises SystemExit, so that the program that a stage runs ends, too.
    """
    total = sum(stage.minutes for stage in stages)
    shape = "{desc} {percentage:3.0f}% |{bar}| {elapsed}"
    with _sigterm_raises(), tqdm(total=total, bar_format=shape, leave=False) as bar:
        before = 0.0
        for number, stage in enumerate(stages, start=1):
            mark = work / f"{stage.name}.done"
            bar.set_description_str(f"{number}/{len(stages)} {stage.about}")

            def progress(share: float, before: float = before, minutes: float = stage.minutes) -> None:
                bar.n = before + minutes * min(max(share, 0.0), 1.0)
                bar.refresh()

            if not mark.is_file():
                began = time.monotonic()
                stage.run(progress)
                took = time.monotonic() - began
                atomic.write_text(mark, f"{took:.0f} s\n")
                tqdm.write(f"{number}/{len(stages)} {stage.about}: {_duration(took)}", file=sys.stderr)
            before += stage.minutes
            progress(1.0)


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    former = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def program(name: str, *arguments: object, log: Path, progress: Progress | None = None) -> None:
    """Run one of the kit's own programs to its end; what it says goes into a log.

    Programs, and not their functions, so that training depends on nothing that stands on it.

    Args:
        name: of the program, which lies beside this one or on the path.
        arguments: of its command line.
        log: gets all that it says.
        progress: is told of its epochs.

    Raises:
        InputError: it is not installed, refused its input or its result (its own line), or was killed.
        KeyboardInterrupt: it was interrupted.
        SystemExit: this process was told to end; the program is ended first.
        RuntimeError: it failed otherwise.
    """
    beside = Path(sys.executable).with_name(name)
    path = str(beside) if beside.is_file() else shutil.which(name)
    if path is None:
        package = name.replace("kws-bench", "kws-benchmarks")
        raise InputError(f"{name}: not installed; run: pip install {package}")
    said = ""
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", 1, encoding="utf-8") as file,
        subprocess.Popen(  # noqa: S603  a list, no shell; our own programs
            [path, *map(str, arguments)],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
        ) as process,
    ):
        try:
            for line in process.stderr or ():
                file.write(line)
                said = line.strip() or said
                if progress is not None and (epoch := _EPOCH.match(line)):
                    progress(int(epoch[1]) / int(epoch[2]))
        except KeyboardInterrupt:
            # Ctrl-C reaches the program, too; a signal to this process alone does not.
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            raise
        except SystemExit:
            process.terminate()
            raise
    if process.returncode in (2, 3):
        raise InputError(said.removeprefix("error: "))
    if process.returncode < 0:
        raise InputError(
            f"{name} was killed by signal {-process.returncode} (is there enough memory?); give the same "
            f"command again to go on; its log is {log}"
        )
    if process.returncode == 130:
        raise KeyboardInterrupt
    if process.returncode != 0:
        raise RuntimeError(f"{name} failed with exit code {process.returncode}; see {log}")
