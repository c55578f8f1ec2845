"""A finding: one sentence of the verdict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A sentence of the verdict."""

    tone: str
    """good, bad or plain."""
    text: str
