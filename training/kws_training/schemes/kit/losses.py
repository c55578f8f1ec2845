"""A loss that knows how often training says each label, so that the model need not.

Most windows of training are other words and background; a model that learned their share would doubt every
word that it hears over noise. Source: Menon et al., "Long-tail learning via logit adjustment", 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kws")
class BalancedCrossentropy(keras.losses.Loss):  # type: ignore[misc]
    """Cross entropy of scores that are made as unequal as the labels are in training.

    What is learned is the scores without that: of labels that are equally likely.
    """

    def __init__(self, odds: Sequence[float], label_smoothing: float, **settings: Any) -> None:
        """Keep what the loss is made of.

        Args:
            odds: by which each label's score is multiplied, shape (labels,).
            label_smoothing: share of each target spread over all labels.
            settings: of every Keras loss.
        """
        super().__init__(**settings)
        self.odds = [float(of) for of in odds]
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each window, shape (n,), for targets and scores of shape (n, labels)."""
        scores = y_pred * ops.convert_to_tensor(self.odds, dtype=y_pred.dtype)
        scores = scores / ops.sum(scores, axis=-1, keepdims=True)
        return keras.losses.categorical_crossentropy(y_true, scores, label_smoothing=self.label_smoothing)

    def get_config(self) -> dict[str, Any]:
        """What `__init__` wants."""
        return {**super().get_config(), "odds": self.odds, "label_smoothing": self.label_smoothing}
