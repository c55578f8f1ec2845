"""Other commands' figures for the report: JSON files, recognised by what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kws_device.errors import InputError

_FIELDS = {
    "speed": {
        "pipeline_ms_per_audio_s",
        "frontend_ms_per_audio_s",
        "inference_ms",
        "startup_ms",
        "rss_mb",
        "peers",
    },
    "stream": {
        "hours",
        "targets",
        "hits",
        "false_accepts_per_hour",
        "miss_rate",
        "latency_ms",
        "per_keyword",
        "curve",
    },
    "pi": {"cpu", "suite", "scores_equal", "instructions_per_audio_s", "startup_instructions"},
    "study": {"tables", "claims", "date"},
}
"""What tells the files of `kws-bench speed`, `stream` and `pi` and of `kws-train study` apart."""


@dataclass(frozen=True)
class Additions:
    """What else is known, by the command that measured it."""

    speed: list[dict[str, Any]] = field(default_factory=list)
    stream: list[dict[str, Any]] = field(default_factory=list)
    pi: list[dict[str, Any]] = field(default_factory=list)
    study: list[dict[str, Any]] = field(default_factory=list)


def additions(folder: Path, named: Sequence[Path]) -> Additions:
    """Read the files that were named, and those that lie in the report's folder.

    Args:
        folder: of the report; what is not recognised there is passed over.
        named: files that must be recognised; what takes the same place in the report stands beside them.

    Raises:
        InputError: a named file that cannot be read or is of no known kind.
    """
    found = Additions()
    for path in dict.fromkeys(path.resolve() for path in named):
        content = _read(path)
        kind = _kind(content)
        if kind is None:
            raise InputError(f"{path}: not the JSON of kws-bench speed, stream or pi, nor a study.json")
        getattr(found, kind).append(content)
    for content in _lying_in(folder, {path.resolve() for path in named}):
        if kind := _kind(content):
            getattr(found, kind).append(content)
    return found


def _lying_in(folder: Path, named: set[Path]) -> Iterator[Any]:
    for path in sorted(folder.glob("*.json")):
        if path.resolve() not in named:
            try:
                yield _read(path)
            except InputError:
                continue


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a JSON file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); measure again") from error


def _kind(content: Any) -> str | None:
    if not isinstance(content, dict):
        return None
    return next((kind for kind, fields in _FIELDS.items() if fields <= set(content)), None)
