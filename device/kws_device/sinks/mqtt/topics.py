"""MQTT topics, with the characters that their parts may have."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

HOME_ASSISTANT_STATUS = "homeassistant/status"
HOME_ASSISTANT_ONLINE = "online"
_LONGEST_PART = 40


@dataclass(frozen=True)
class Topics:
    """The topics of one device."""

    node: str
    """Tells this device from others: letters, digits, - and _."""

    @property
    def base(self) -> str:
        """All others but that of the discovery begin so."""
        return f"kws/{self.node}"

    @property
    def discovery(self) -> str:
        """Where Home Assistant looks for the description of a device."""
        return f"homeassistant/device/{self.unique_id}/config"

    @property
    def unique_id(self) -> str:
        """Of the device in Home Assistant."""
        return f"kws_{self.node}"

    @property
    def availability(self) -> str:
        """`online` or `offline`."""
        return f"{self.base}/availability"

    @property
    def event(self) -> str:
        """A JSON object for each keyword."""
        return f"{self.base}/event"

    @property
    def state(self) -> str:
        """A JSON object with all that lasts."""
        return f"{self.base}/state"

    def command(self, name: str) -> str:
        """Where others set something."""
        return f"{self.base}/set/{name}"


def part(name: str) -> str:
    """A part of a topic for any name: the name itself where it holds only letters, digits, - and _.

    Another name, or a long one, keeps what can be kept, and gets a hash, so that two names stay two.
    """
    kept = re.sub(r"[^a-zA-Z0-9_-]+", "-", name)[:_LONGEST_PART]
    if kept == name and name:
        return name
    return f"{kept}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}".lstrip("-")
