"""The cyclic learning rate."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="kws_training")
class Triangular(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Rises from `low` to `high` in `half_cycle` steps and falls back in as many, for ever.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", policy `triangular`.
    """

    def __init__(self, low: float, high: float, half_cycle: float) -> None:
        self.low, self.high, self.half_cycle = low, high, half_cycle

    def __call__(self, step: Any) -> Any:
        """The rate at a step, counted from 0."""
        position = keras.ops.cast(step, "float32") / self.half_cycle
        # The distance to the nearest even whole number is 0 at a cycle's ends, 1 in its middle.
        height = 1 - keras.ops.abs(position % 2 - 1)
        return self.low + (self.high - self.low) * height

    def get_config(self) -> dict[str, float]:
        """The constructor's arguments."""
        return {"low": self.low, "high": self.high, "half_cycle": self.half_cycle}
