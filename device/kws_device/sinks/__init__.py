"""Where decisions go: to people, to programs."""

from .json_lines import JsonLines
from .people import Lines
from .sink import Sink

__all__ = ["JsonLines", "Lines", "Sink"]
