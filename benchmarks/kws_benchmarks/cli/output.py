"""What a command of kws-bench prints: text for people on standard error, JSON on standard output."""

from __future__ import annotations

from typing import Any

from kws_device._support.command import tell
from kws_device._support.schema import json_text


def show(text: list[str]) -> None:
    """Print lines for people on standard error."""
    for line in text:
        tell(line)


def print_report(report: dict[str, Any], as_json: bool) -> int:
    """Print a report as JSON on standard output, if asked to; returns the exit code."""
    if as_json:
        print(json_text(report))
    return 0
