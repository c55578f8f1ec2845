"""The plan of kws-train own: what was asked for, and the folders of its work."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kws_device import InputError
from kws_device._support import atomic
from kws_device._support.schema import json_text

_WORK = "work"
_PLAN = "plan.json"


@dataclass(frozen=True)
class OwnPlan:
    """The options of `kws-train own`."""

    keywords: tuple[str, ...]
    speech: Path | None
    """A folder for each keyword with takes of it; None: synthetic voices alone."""
    negatives: Path | None
    """Continuous speech."""
    noise: Path | None
    """Background without speech."""
    scenes: Path | None
    """A dataset of scenes, for a second head."""
    false_accepts_per_hour: float
    """What the thresholds are chosen for, all keywords together."""
    voices: int
    """Synthetic voices that say each keyword."""
    others: int
    """Synthetic voices that say each of many other words."""
    epochs: int | None
    """Of the first training; None: the recipe's."""
    seed: int
    out: Path

    @property
    def work(self) -> Path:
        """What is made on the way, kept so that an interrupted command goes on."""
        return self.out / _WORK

    @property
    def sound(self) -> tuple[Path, ...]:
        """The folders that are listened to for false accepts."""
        return tuple(folder for folder in (self.negatives, self.noise) if folder is not None)

    def begin(self) -> None:
        """Make the folder, or go on in it.

        Raises:
            InputError: it holds something else, or the same command was given other options before.
        """
        asked = json.loads(json_text(_plain(self)))
        path = self.work / _PLAN
        if path.is_file():
            if json.loads(path.read_text(encoding="utf-8")) != asked:
                raise InputError(f"{self.out}: was begun with other options; give those, or another --out")
            return
        atomic.check_vacant(self.out)
        atomic.write_text(path, json_text(asked, indent=1) + "\n")
        for folder in (self.out, self.work):
            folder.chmod(0o700)  # people's speech will lie in it


def _plain(plan: OwnPlan) -> dict[str, Any]:
    values = {key: value for key, value in asdict(plan).items() if key != "out"}
    return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in values.items()}
