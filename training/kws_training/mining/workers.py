"""Worker processes for mining, each with its own model."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import soundfile

from kws_device import audio_files
from kws_device.model.model_file import ModelFile

from ..data.mined import BEFORE_S, BEHIND_S
from ..loop.threads import keep_products_small
from .candidates import Heard, Listener

Each = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""Calls a function of this module for each item; the results come in their order."""

_listener: Listener
"""Of this process, where it works."""


@contextmanager
def workers(
    jobs: int | None, most: int, file: ModelFile, near: float, smoothing_s: float | None
) -> Iterator[Each]:
    """Processes that call `hear` and `cut` at once; this one alone where one is enough.

    Args:
        jobs: how many; None: as many as there are cores.
        most: how many have something to do.
        file: the model that they listen with.
        near: see `Listener`.
        smoothing_s: see `Listener`.
    """
    count = min(jobs or len(os.sched_getaffinity(0)), most)
    arguments = (file, near, smoothing_s)
    if count == 1:
        _start(*arguments)
        yield map
        return
    # Not forked: the engine's library may have threads.
    with ProcessPoolExecutor(count, get_context("spawn"), _start_worker, arguments) as pool:
        try:
            yield pool.map
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _start_worker(file: ModelFile, near: float, smoothing_s: float | None) -> None:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches all processes; the first one ends the others
    _start(file, near, smoothing_s)


def _start(file: ModelFile, near: float, smoothing_s: float | None) -> None:
    global _listener
    keep_products_small()
    _listener = Listener(file, near, smoothing_s)


def hear(path: Path) -> Heard:
    """What the model makes of a recording. Raises InputError where it cannot be read."""
    return _listener.hear(path)


@dataclass(frozen=True)
class Cut:
    """What to cut out of a recording."""

    recording: Path
    pieces: tuple[tuple[Path, float], ...]
    """The file that a stretch becomes, and the time of its decision in seconds."""


def cut(work: Cut) -> None:
    """Write stretches as FLAC of 16 bits, readable by their owner alone."""
    rate = _listener.sample_rate_hz
    samples = audio_files.read(work.recording, rate)
    for path, end_s in work.pieces:
        first, last = (round(max(0.0, s) * rate) for s in (end_s - BEFORE_S, end_s + BEHIND_S))
        path.touch(0o600)
        soundfile.write(path, samples[first:last].clip(-1, 1), rate, subtype="PCM_16")
