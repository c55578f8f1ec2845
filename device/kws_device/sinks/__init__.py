"""Where decisions go: to people, to programs, to a folder, to commands, to systemd."""

from .clips import Clips
from .commands import Commands
from .json_lines import JsonLines
from .people import Lines
from .screen import for_people
from .service import Service
from .sink import Sink

__all__ = ["Clips", "Commands", "JsonLines", "Lines", "Service", "Sink", "for_people"]
