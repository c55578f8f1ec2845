"""The one exception that people are meant to read."""


class InputError(Exception):
    """Bad usage or bad input: one line that names it and says what to do (exit code 2)."""
