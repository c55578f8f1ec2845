"""Settings from MQTT that survive a restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from json import JSONDecodeError, loads
from pathlib import Path

from ..._support import atomic
from ..._support.errors import InputError
from ..._support.schema import build, json_text

NAME = "mqtt.json"
_OWNERS_FILE = 0o600
_LARGEST = 1 << 20


@dataclass(frozen=True)
class Settings:
    """All that can be set, and to what."""

    started_with: str
    """The model of the command line. Where that is another one, the choice below no longer counts."""
    model: str | None = None
    """The model that was chosen; None: that of the command line."""
    muted: bool = False
    thresholds: dict[str, dict[str, float]] = field(default_factory=dict)
    """By model, then by keyword: those that were set."""

    def __post_init__(self) -> None:
        """Raises ValueError for a threshold out of its range."""
        for table in self.thresholds.values():
            if not all(0 <= threshold <= 1 for threshold in table.values()):
                raise ValueError("a threshold does not lie between 0 and 1")

    def with_threshold(self, model: str, word: str, threshold: float) -> Settings:
        """The settings with another threshold of a model's keyword."""
        table = {**self.thresholds.get(model, {}), word: threshold}
        return replace(self, thresholds={**self.thresholds, model: table})


def folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where state is kept: systemd's StateDirectory, else the XDG state folder of the user."""
    if systemd := environment.get("STATE_DIRECTORY"):
        return Path(systemd.split(":")[0])
    home = environment.get("XDG_STATE_HOME", "")
    return (Path(home) if home.startswith("/") else Path.home() / ".local" / "state") / "kws-listen"


def load(path: Path, started_with: str, note: Callable[[str], None]) -> Settings:
    """The settings of a file; new ones where there is none, or none that can be used, which is noted."""
    new = Settings(started_with)
    try:
        with path.open("rb") as file:
            settings = build(Settings, loads(file.read(_LARGEST)), str(path))
    except FileNotFoundError:
        return new
    except (OSError, JSONDecodeError, UnicodeDecodeError, RecursionError, InputError) as error:
        note(f"{path}: settings are not used ({error}); they are written anew")
        return new
    if settings.started_with != started_with:
        return replace(settings, started_with=started_with, model=None)
    return settings


def save(path: Path, settings: Settings) -> None:
    """Write settings for their owner alone, whole or not at all. Raises as `atomic.replacing`."""
    atomic.write_bytes(path, json_text(settings, indent=1).encode() + b"\n", _OWNERS_FILE)
