"""Which charts a report shows of a stream: misses against false accepts, by background and by condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cost_charts import Point, TradeOff, trade_off
from .drawing import Drawing

CONDITIONS = {"alone": "standing alone over noise", "over_voice": "over a quieter voice"}
"""Of placed words, as people read them."""

Entry = Mapping[str, Any]
"""A point of a stream's curve, or the stream itself at the model's own thresholds."""


def stream_charts(stream: Entry) -> dict[str, Drawing]:
    """The trade-offs of a stream by what their files are called; none where no word was placed.

    Args:
        stream: content of stream.json; of older versions, which have one background, one curve.
    """
    curve = [entry for entry in stream["curve"] if entry["miss_rate"] is not None]
    if not curve:
        return {}

    def of(name: str, background: str | None = None, condition: str | None = None) -> TradeOff:
        def at(threshold: float, entry: Entry) -> Point:
            rate = entry["false_accepts_per_hour"]
            if background is not None:
                rate = entry["background"][background]["per_hour"]
            missed = entry if condition is None else entry["placed"][condition]
            return Point(threshold, rate, missed["miss_rate"])

        points = [at(entry["threshold"], entry) for entry in curve]
        # By threshold: by rate, several thresholds of the same rate would make a zigzag.
        points.sort(key=lambda point: point.threshold)
        return TradeOff(name, points, None if stream["miss_rate"] is None else at(0.0, stream))

    if "background" not in stream:
        return {"trade_off": trade_off("Missed words against false accepts", [of("all")])}
    backgrounds = [of(name, background=name) for name in stream["background"]]
    conditions = [
        of(text, condition=name) for name, text in CONDITIONS.items() if stream["placed"][name] is not None
    ]
    return {
        "trade_off": trade_off("All placed words against the false accepts of each background", backgrounds),
        "placed": trade_off("Words of each condition against all false accepts", conditions),
    }
