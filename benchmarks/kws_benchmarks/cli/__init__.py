"""The command kws-bench: options, checks of them, and what is printed."""

from .main import entry, main

__all__ = ["entry", "main"]
