"""What every command of the kit does alike: options, exit codes, one-line errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from .errors import InputError, RequirementError
from .untrusted_text import printable


class ArgumentParser(argparse.ArgumentParser):
    """argparse whose complaints are one line on stderr, like all others of the kit."""

    def error(self, message: str) -> NoReturn:
        """Raises InputError with the parser's message and where to find help."""
        raise InputError(f"{message} (see {self.prog} --help)")


def run(main: Callable[[list[str] | None], int], argv: list[str] | None = None) -> NoReturn:
    """Run a command and leave with the kit's exit codes.

    0 done, 2 bad usage or bad input, 3 a requirement that was not met (both with one line,
    `error: ...`), 130 after Ctrl-C, 1 anything else (a traceback: that is a bug of ours).
    """
    try:
        code = main(argv)
        sys.stdout.flush()
    except (InputError, RequirementError) as error:
        print("error: " + printable(" ".join(str(error).split())), file=sys.stderr)
        code = 2 if isinstance(error, InputError) else 3
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # The reader of a pipe (head, say) has left. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
