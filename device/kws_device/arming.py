"""Which keywords count: commands only for a while after the word that arms them."""

from __future__ import annotations

import math
from dataclasses import replace

from .model.manifest import Manifest
from .model.manifest_parts import ArmingConfig


class Arming:
    """Until when commands count. Times are counted in decisions, so a replay gives the same answers."""

    def __init__(self, config: ArmingConfig, decision_ms: float) -> None:
        self._config = config
        self._decision_s = decision_ms / 1000
        self.lasts = math.ceil(config.armed_s / self._decision_s - 1e-6)
        """Commands count at so many decisions after the one that arms them."""
        self.reset()

    def reset(self) -> None:
        """Nothing is armed."""
        self._last: int | None = None
        """The last decision at which commands count."""

    def arm(self, decision: int) -> None:
        """Let commands count from the decision after this one; a time that has begun begins anew."""
        self._last = decision + self.lasts

    def heard(self, keyword: str, decision: int) -> None:
        """Take a keyword that this decision reports."""
        if keyword == self._config.armed_by:
            self.arm(decision)

    def counts(self, keyword: str, decision: int) -> bool:
        """Whether a keyword may be reported at this decision."""
        return keyword not in self._config.commands or self.is_armed(decision)

    def left_s(self, decision: int) -> float:
        """For so long commands count after this decision."""
        return 0.0 if self._last is None else max(0, self._last - decision) * self._decision_s

    def is_armed(self, decision: int) -> bool:
        """Whether commands count at this decision; also true of the one that arms them."""
        return self._last is not None and decision <= self._last


def always_armed(manifest: Manifest) -> Manifest:
    """The manifest without arming, whose commands have the thresholds that they have while armed.

    In every scene, since those of arming are.
    """
    if manifest.arming is None:
        return manifest
    armed = manifest.arming.thresholds
    decoder = replace(
        manifest.decoder,
        thresholds={**manifest.decoder.thresholds, **armed},
        scene_thresholds={
            scene: {word: p for word, p in table.items() if word not in armed}
            for scene, table in manifest.decoder.scene_thresholds.items()
        },
    )
    return replace(manifest, decoder=decoder, arming=None)
