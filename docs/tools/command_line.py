"""The kit's commands as their own parsers describe them, for the reference and the tests of the examples."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import tomllib

ROOT = Path(__file__).resolve().parents[2]

SUBCOMMANDS = {
    "kws-listen": (),
    "kws-teach": (),
    "kws-data": ("record", "import", "check", "download", "voices", "mine", "show-augmentation"),
    "kws-train": ("own", "verifier", "evaluate", "speed", "study"),
    "kws-export": ("verifier", "arming", "upgrade", "show"),
    "kws-bench": ("robustness", "stream", "compare", "speed", "pi", "soak"),
}


class _Parsed(BaseException):
    """Ends a command when its arguments are parsed. No command catches it."""


def programs() -> dict[str, Callable[[list[str]], int]]:
    """The main function of each installed program, as the four pyproject.toml name them."""
    found = {}
    for project in sorted(ROOT.glob("*/pyproject.toml")):
        scripts = tomllib.loads(project.read_text(encoding="utf-8"))["project"].get("scripts", {})
        for name, place in scripts.items():
            found[name] = importlib.import_module(place.split(":")[0]).main
    return found


def parse(words: Sequence[str]) -> None:
    """Let a command parse its arguments, and end it then.

    Raises:
        kws_device.InputError: the command has no such option, or one is missing.
    """
    program, *arguments = words
    with _ending_when_parsed(), contextlib.suppress(_Parsed):
        programs()[program](arguments)


def help_text(command: str, columns: int = 88) -> str:
    """What `command --help` prints, on a terminal of so many columns."""
    program, *subcommand = command.split()
    printed = io.StringIO()
    with (
        mock.patch.dict(os.environ, COLUMNS=str(columns), NO_COLOR="1"),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        programs()[program]([*subcommand, "--help"])
    return printed.getvalue()


def all_commands() -> Iterator[str]:
    """Every program, and every subcommand as two words."""
    for program, subcommands in SUBCOMMANDS.items():
        yield program
        yield from (f"{program} {name}" for name in subcommands)


@contextlib.contextmanager
def _ending_when_parsed() -> Iterator[None]:
    parse_args = argparse.ArgumentParser.parse_args

    def parse_and_end(self: argparse.ArgumentParser, *arguments: Any, **options: Any) -> Any:
        parse_args(self, *arguments, **options)
        raise _Parsed

    with mock.patch.object(argparse.ArgumentParser, "parse_args", parse_and_end):
        yield
