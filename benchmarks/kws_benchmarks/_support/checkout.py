"""Files of this repository that benchmarks use: the demo recording and the device's source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kws_device import InputError

_ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Word:
    """A word of the demo recording."""

    word: str
    start_s: float
    end_s: float


def root() -> Path:
    """The folder of the checkout. Raises InputError where the package was installed without one."""
    if not (_ROOT / "device" / "demo" / "demo.flac").is_file():
        raise InputError(f"{_ROOT}: no checkout of the kit; install kws-benchmarks from one, editable")
    return _ROOT


def demo() -> Path:
    """The demo recording. Raises InputError as `root`."""
    return root() / "device" / "demo" / "demo.flac"


def demo_words() -> list[Word]:
    """What is said in the demo recording, in order of time. Raises InputError as `root`."""
    content = json.loads(demo().with_suffix(".json").read_text(encoding="utf-8"))
    return [Word(**word) for word in content]
