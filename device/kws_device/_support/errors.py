"""Exceptions whose message is for people."""


class InputError(Exception):
    """Bad usage or bad input: one line that names it and says what to do (exit code 2)."""


class RequirementError(Exception):
    """A figure falls short of what was required: one line that names both (exit code 3)."""
