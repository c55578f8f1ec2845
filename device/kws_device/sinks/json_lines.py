"""JSON lines for programs."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from .._support.schema import json_text
from .._support.untrusted_text import printable
from ..events import Decision
from ..sources import AudioSource
from .sink import Sink


class JsonLines(Sink):
    """One JSON object a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """See Sink."""
        if decision.event is not None:
            self._write({"type": "keyword", **vars(decision.event), "source": source.name})

    def noted(self, text: str) -> None:
        """See Sink."""
        print(printable(text), file=sys.stderr, flush=True)

    def finished(self, summary: dict[str, Any]) -> None:
        """See Sink."""
        self._write({"type": "summary", **summary})

    def _write(self, line: dict[str, Any]) -> None:
        print(json_text(line), file=self._stream, flush=True)
