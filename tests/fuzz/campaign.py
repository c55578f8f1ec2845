"""Mutant after mutant through a command, each held against what every command of the kit promises."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fork_server import HANG_S, ForkServer, Outcome

Make = Callable[[Random, Path], Sequence[object]]
"""Writes a mutant into an empty folder; returns the command that reads it, which may write there, too."""

MOST_MB = 500
_MOST_FINDINGS = 20
"""Then the campaign ends: more of them are the same few faults."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, and those that turn the direction of writing: no file may show them."""


def complaint(outcome: Outcome, as_json: bool) -> str | None:
    """What an outcome breaks of the promise: done or one line of refusal, in time, in little memory.

    Args:
        outcome: of a command.
        as_json: whether it was asked for JSON.
    """
    if outcome.hung:
        return f"takes over {HANG_S} s"
    if outcome.code < 0:
        return f"ends by signal {-outcome.code}"
    if "Traceback" in outcome.stderr or outcome.code not in (0, 2):
        last = (outcome.stderr.strip().splitlines() or [""])[-1]
        return f"ends with exit code {outcome.code}: {last[:200]}"
    errors = sum(line.startswith("error: ") for line in outcome.stderr.splitlines())
    if errors != (outcome.code == 2):
        return f"ends with exit code {outcome.code} and {errors} lines of error"
    if outcome.rss_mb > MOST_MB:
        return f"takes {outcome.rss_mb:.0f} MB"
    if shown := _CONTROL.search(outcome.stdout + outcome.stderr):
        return f"shows the character {shown.group()!a} of a file"
    if as_json and outcome.code == 0 and not _is_json(outcome.stdout):
        return "writes what is no JSON"
    return None


def _is_json(text: str) -> bool:
    """Whether it is one JSON value, or one on each line, without NaN."""
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        try:
            for line in text.splitlines():
                json.loads(line, parse_constant=_refuse)
        except ValueError:
            return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


@dataclass(frozen=True)
class Campaign:
    """How many mutants, which, and where those go that break something."""

    server: ForkServer
    folder: Path
    """For the mutant of the moment."""
    findings: Path
    mutants: int
    seed: int

    def run(self, name: str, make: Make) -> None:
        """Try all mutants; raises AssertionError that names the mutants that break something."""
        found = []
        for number in range(self.mutants):
            if report := self._try(name, make, number):
                found.append(report)
                print(f"{report}\n", file=sys.stderr, flush=True)
            if len(found) == _MOST_FINDINGS:
                break
        assert not found, f"{len(found)} mutants break something:\n" + "\n".join(found)

    def _try(self, name: str, make: Make, number: int) -> str:
        """What a mutant breaks, and the command that does it again; empty: nothing."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        command = make(Random(f"{name} {self.seed} {number}"), folder)
        broken = complaint(self.server.run(command), "--json" in command)
        if broken is None:
            return ""
        kept = self.findings / f"{name}-{self.seed}-{number}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept, symlinks=True)
        again = shlex.join(str(part).replace(str(folder), str(kept)) for part in command)
        return f"mutant {number} of {name}, seed {self.seed}, {broken}\n    {again}"
