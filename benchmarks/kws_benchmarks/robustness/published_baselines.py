"""Published accuracies of another network in noise, for the verdict and the chart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

CLEAN = math.inf
"""The signal-to-noise ratio of speech alone."""


@dataclass(frozen=True)
class Anchor:
    """A published curve."""

    name: str
    accuracy: Mapping[float, float]
    """By signal-to-noise ratio in dB, CLEAN among them; shares of 1."""

    def loss(self, snr_db: float) -> float:
        """By how much its accuracy at a ratio is below that on clean speech; straight lines between."""
        ratios = sorted(snr for snr in self.accuracy if snr != CLEAN)
        at = np.interp(snr_db, ratios, [self.accuracy[snr] for snr in ratios])
        return float(self.accuracy[CLEAN] - at)


FOR_NOISE = Anchor(
    "BC-ResNet-8 trained in noise",
    {CLEAN: 0.973, 20: 0.965, 10: 0.953, 5: 0.940, 0: 0.903, -5: 0.833},
)
FOR_SILENCE = Anchor(
    "BC-ResNet-8 trained clean",
    {CLEAN: 0.977, 20: 0.960, 10: 0.929, 5: 0.890, 0: 0.801, -5: 0.654},
)
ANCHORS = (FOR_NOISE, FOR_SILENCE)
"""321k parameters, twelve classes of Speech Commands, noise of rooms and of MUSAN; on other clips."""
