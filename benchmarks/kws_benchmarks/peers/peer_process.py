"""What a peer makes of sound, in a process of its own.

Its script gets the word as its argument and the sound on its standard input: 16 bit, mono, 16 kHz, without a
header. It prints, a line each:

    threshold P               what its own users compare scores with
    step N END_S SCORE        for each of its decisions whose score is at least 0.05, numbered from 0
    cpu_s S                   when the sound has ended: the CPU time of all of it, its start not counted
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError

from .._support.processes import ONE_THREAD
from .environments import Peer

PEERS_RATE_HZ = 16_000


@dataclass(frozen=True)
class Step:
    """A decision of a peer."""

    n: int
    """Among all its decisions."""
    end_s: float
    """The end of the sound that it has heard by then."""
    score: float
    """0 to 1."""


@dataclass(frozen=True)
class Answers:
    """What a peer made of sound."""

    threshold: float
    """Its own."""
    steps: tuple[Step, ...]
    """Those whose score is at least 0.05."""
    cpu_s: float
    """Of one thread, its start not counted."""


def hear(peer: Peer, python: Path, word: str, sound: Iterable[NDArray[np.float32]]) -> Answers:
    """Let a peer hear sound, in a fresh process.

    Args:
        peer: which.
        python: of its environment.
        word: one of its words.
        sound: blocks of shape (n,), full scale is 1.0, at PEERS_RATE_HZ; what is louder is cut off.

    Raises:
        InputError: the peer failed.
    """
    script = Path(__file__).parent / peer.script
    # Nothing of this environment may leak into the peer's.
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # Files instead of pipes: a peer that waits for its answers to be read does not read our sound.
    with tempfile.TemporaryFile("w+") as answers, tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(  # noqa: S603  the peer's Python and our own script
            [python, "-P", script, word],
            stdin=subprocess.PIPE,
            stdout=answers,
            stderr=complaints,
            env={**mine, **ONE_THREAD},
        )
        assert process.stdin is not None  # noqa: S101  it is a pipe
        try:
            with process.stdin as pipe:
                for block in sound:
                    pipe.write(np.round(np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
        except BrokenPipeError:
            pass  # it ended before its time; why is told below
        except BaseException:
            process.kill()
            raise
        finally:
            code = process.wait()
        if code != 0:
            complaints.seek(0)
            said = complaints.read().strip().splitlines() or [f"exit code {code}"]
            raise InputError(f"{peer.name} failed: {said[-1]}")
        answers.seek(0)
        return _parsed(answers, peer)


def _parsed(lines: Iterable[str], peer: Peer) -> Answers:
    found: dict[str, float] = {}
    steps = []
    for line in lines:
        kind, *values = line.split()
        if kind == "step":
            n, end_s, score = values
            steps.append(Step(int(n), float(end_s), float(score)))
        else:
            found[kind] = float(values[0])
    try:
        return Answers(found["threshold"], tuple(steps), found["cpu_s"])
    except KeyError as error:
        raise InputError(f"{peer.name} failed: its output has no {error}; set it up again") from error
