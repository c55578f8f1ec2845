"""Sinks: where decisions go (terminal, JSON lines, folder, commands, systemd, MQTT)."""

from .clips import Clips
from .exec import Commands
from .json_lines import JsonLines
from .screen import for_people
from .sink import Sink
from .systemd import SystemdNotifier
from .text import Lines

__all__ = ["Clips", "Commands", "JsonLines", "Lines", "Sink", "SystemdNotifier", "for_people"]
