"""How loud sound is."""

from __future__ import annotations

import math

SILENCE_DBFS = -99.0
"""Stands for all that is below it: a 16-bit converter's last bit is -90, digital silence minus infinity."""


def dbfs(amplitude: float) -> float:
    """The level of an amplitude, relative to full scale, 1.0; at least SILENCE_DBFS."""
    return max(SILENCE_DBFS, 20 * math.log10(amplitude)) if amplitude > 0 else SILENCE_DBFS
