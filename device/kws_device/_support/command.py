"""What all commands share: options, exit codes, one-line errors."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from .atomic import NO_ROOM
from .errors import InputError, RequirementError
from .native_stderr import keep_own_stderr
from .untrusted_text import printable


class ArgumentParser(argparse.ArgumentParser):
    """argparse whose complaints are one line on stderr, like all others of the kit."""

    def error(self, message: str) -> NoReturn:
        """Raises InputError with the parser's message and where to find help."""
        raise InputError(f"{message} (see {self.prog} --help)")


def word_values(option: str, texts: list[str]) -> dict[str, float]:
    """The numbers by word of an option that is given as WORD=P, once for each word.

    Raises:
        InputError: a text that is written otherwise.
    """
    values = {}
    for text in texts:
        word, equals, value = text.rpartition("=")
        try:
            values[word] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(f"{option} {text}: write WORD=P with P between 0 and 1")
    return values


def check_alone(options: argparse.Namespace, names: Iterable[str], needed: str) -> None:
    """Check that none of some options was given, where the one that they belong to was not.

    Args:
        options: of the command line.
        names: of the options, as attributes.
        needed: what they belong to, as it is written on the command line.

    Raises:
        InputError: one was given.
    """
    for name in names:
        if getattr(options, name) is not None:
            raise InputError(f"--{name.replace('_', '-')} needs {needed}")


def run(main: Callable[[list[str] | None], int], argv: list[str] | None = None) -> NoReturn:
    """Run a command and leave with the kit's exit codes.

    0 done, 2 bad usage, bad input or no room to write, 3 a requirement that was not met (both with one line,
    `error: ...`), 130 after Ctrl-C, 1 anything else (a traceback: that is a bug of ours).
    """
    _reopen_closed_streams()
    keep_own_stderr()
    code: int | str | None
    try:
        try:
            code = main(argv)
        except SystemExit as leaving:  # after --help, or by a signal
            code = leaving.code
        _flush_output()
    except (InputError, RequirementError) as error:
        _complain(str(error))
        code = 2 if isinstance(error, InputError) else 3
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # The reader of a pipe (head, say) has left.
        _drop_output()
        code = 0
    except OSError as error:
        if (place := _unwritable(error)) is None:
            raise
        _drop_output()
        _complain(f"{place}: cannot be written ({error.strerror}); make room, or write to another place")
        code = 2
    sys.exit(code)


def _reopen_closed_streams() -> None:
    """Give standard streams that were closed (`>&-`) a descriptor, before a file gets theirs.

    Reading and writing them fails then, as it would; but what nobody can read on standard error is dropped.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_WRONLY), "r")
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def _flush_output() -> None:
    """Write out what standard output still holds; an error names it, since a long text is lost with it."""
    try:
        sys.stdout.flush()
    except OSError as error:
        error.filename = "standard output"
        raise


def _unwritable(error: OSError) -> str | None:
    """What could not be written: standard output, or a file on a full disk; None: that was not the error."""
    try:
        sys.stdout.flush()  # what could not be written may still be there
    except OSError:
        return "standard output"
    # Without a buffer (PYTHONUNBUFFERED) it is not, and nothing tells which of both it was.
    if error.errno in (*NO_ROOM, errno.EBADF):
        return str(error.filename or "standard output or a file")
    return None


def tell(text: str) -> None:
    """Print a line for people on standard error, made harmless."""
    print(printable(text), file=sys.stderr)


def _complain(text: str) -> None:
    """Tell in one line why the command ends."""
    tell("error: " + " ".join(text.split()))


def _drop_output() -> None:
    """Standard output goes nowhere from now on: Python would complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
