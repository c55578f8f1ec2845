"""Keywords heard, and other sounds accepted, at the model's own thresholds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_device import Spotter
from kws_device.model.manifest import Manifest
from kws_training.evaluation.metrics import Tally, figure
from kws_training.evaluation.scoring import Judgement

Reports = Callable[[Judgement], list[str | None]]
"""The keyword that is reported for each window of a judgement; None: nothing is."""

_PAUSE_S = 1.5
"""Silence before and behind a window: a command has a pause around it."""


class Accepted:
    """Counts what is reported of some windows."""

    def __init__(self, reports: Reports, keywords: tuple[str, ...]) -> None:
        """`reports` tells what is reported, `keywords` what can be."""
        self._reports = reports
        self._keywords = keywords
        self._heard: Tally = {}
        self._false: Tally = {}

    def add(self, judgement: Judgement) -> None:
        """Count the answers to some of the words: keywords that are heard, other sounds taken for one."""
        for item, reported in zip(judgement.items, self._reports(judgement), strict=True):
            is_keyword = item.label in self._keywords
            counts = self._heard if is_keyword else self._false
            yes, total = counts.get(item.source, (0, 0))
            wanted = reported == item.label if is_keyword else reported is not None
            counts[item.source] = (yes + wanted, total + 1)

    def figures(self) -> dict[str, Any]:
        """Of keywords ("heard") and of all else ("false") {"share", "ci95", "n"}, where there are any."""
        found = {}
        for name, counts in (("heard", self._heard), ("false", self._false)):
            if counts:
                of = figure(counts)
                found[name] = {"share": of["accuracy"], "ci95": of["ci95"], "n": of["n"]}
        return found


def by_window(manifest: Manifest) -> Reports:
    """What one network alone would report if a window were all that the decoder averages."""
    thresholds = manifest.decoder.thresholds

    def reports(judgement: Judgement) -> list[str | None]:
        return [
            word if word in thresholds and score > thresholds[word] else None
            for word, score in zip(judgement.predicted, judgement.score, strict=True)
        ]

    return reports


def by_listening(spotter: Spotter) -> Reports:
    """What a model with a verifier reports of each window, with silence before and behind it.

    Of several keywords that it reports in one window, it is the surest one.
    """
    pause = np.zeros(round(_PAUSE_S * spotter.manifest.front_end.sample_rate_hz), dtype=np.float32)

    def listen(samples: NDArray[np.float32]) -> str | None:
        spotter.reset()
        decisions = spotter.feed(np.concatenate([pause, samples, pause]))
        events = [decision.event for decision in decisions if decision.event is not None]
        return max(events, key=lambda event: event.score).keyword if events else None

    return lambda judgement: [listen(item.samples) for item in judgement.items]
