"""Reading sound files as mono float32 at the rate that is asked for."""

from .reader import SUFFIXES, blocks, read

__all__ = ["SUFFIXES", "blocks", "read"]
