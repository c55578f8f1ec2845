"""Results of other commands for the report: JSON files, recognised by their content."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kws_device import InputError
from kws_training.schemes.study.content import COLUMNS, SPLITS

from .json_shapes import anything, listing, mapping, maybe, number, pair, positive, table, text

_MODEL = {"hash": text, "model": text, "machine": text}
_RATE = maybe(number)
_FIGURE = table({"accuracy": number, "ci95": pair(number)})
_CELLS = table({f"{head} {set_}": table({"study": _RATE, "ours": maybe(_FIGURE)}) for head, set_ in COLUMNS})
_ROW = table(
    {
        "row": text,
        "epochs": listing(number),
        "seeds": listing(number),
        "mixed_set": maybe(text),
        "cells": table(dict.fromkeys(SPLITS, _CELLS)),
        "waveforms": table(dict.fromkeys(SPLITS, table(dict.fromkeys(("snr10", "snr0"), maybe(_FIGURE))))),
    }
)
_KINDS = {
    "speed": table(
        {
            "pipeline_ms_per_audio_s": positive,
            "frontend_ms_per_audio_s": number,
            "inference_ms": number,
            "startup_ms": number,
            "rss_mb": number,
            "peers": mapping(table({"ms_per_audio_s": number})),
        },
        _MODEL,
    ),
    "stream": table(
        {
            "hours": number,
            "targets": number,
            "hits": number,
            "false_accepts_per_hour": _RATE,
            "miss_rate": _RATE,
            "latency_ms": table({"median": _RATE, "p95": _RATE}),
            "per_keyword": mapping(table({}, {"false_accepts_per_hour": _RATE})),
            "curve": listing(
                table({"false_accepts_per_hour": _RATE, "miss_rate": _RATE}, {"threshold": number})
            ),
        },
        _MODEL,
    ),
    "pi": table(
        {
            "cpu": text,
            "suite": text,
            "scores_equal": anything,
            "instructions_per_audio_s": number,
            "startup_instructions": number,
        },
        _MODEL,
    ),
    "study": table({"tables": mapping(listing(_ROW)), "claims": anything, "date": text}),
}
"""What the files of `kws-bench speed`, `stream` and `pi` and of `kws-train study` look like."""


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
    return next((kind for kind, fits in _KINDS.items() if fits(content)), None)
