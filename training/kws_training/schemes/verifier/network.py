"""The network of a verifier: the first network's convolutions over a longer stretch, and its own head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kws_device.front_end import MelConfig
from kws_device.model.manifest import VERIFIER_OUTPUT

from ...loop.bn_folding import folded
from ..kit.network import residual_network
from ..kit.recipe import ModelConfig

if TYPE_CHECKING:
    import keras

PLACES = "places"
"""The layer of the weighted means over time."""
_POOLS = 2
"""Weighted means over time of each channel: one begins at the word's place, one over everything."""
_WORD_S = (1.4, 0.3)
"""Where a candidate's word lies, before the end of the stretch."""


def verifier_network(front_end: MelConfig, config: ModelConfig, labels: int) -> keras.Model:
    """Convolutions as in `residual_network`, then means over time whose weights are learned for each channel.

    A candidate's word always lies at about the same place of the stretch, so the head can know by position
    which sound is the word and which surrounds it. Batch normalisations are part of the convolutions
    from the beginning, since training starts from a finished first network.

    Args:
        front_end: the first network's, with the verifier's `clip_ms`.
        config: widths of the convolutions.
        labels: number of labels.

    Returns:
        a Keras model from (n, frames, mels) to {VERIFIER_OUTPUT: (n, labels)}.
    """
    import keras
    from keras import layers

    whole = folded(residual_network(front_end, config, {"unused": labels}))
    pooling = next(layer for layer in whole.layers if isinstance(layer, layers.GlobalAveragePooling1D))
    x = pooling.input
    steps = x.shape[1]
    pool = layers.DepthwiseConv1D(steps, depth_multiplier=_POOLS, use_bias=False, name=PLACES)
    x = layers.Flatten()(pool(x))
    x = layers.Dropout(config.dropout)(x)
    scores = layers.Dense(labels, activation="softmax", name=VERIFIER_OUTPUT)(x)
    (kernel,) = pool.get_weights()
    step_s = front_end.clip_ms / 1000 / steps
    first, last = (round(steps - before_s / step_s) for before_s in _WORD_S)
    kernel[..., 0] = 0
    kernel[first:last, :, 0] = 1 / (last - first)
    kernel[..., 1] = 1 / steps
    pool.set_weights([np.asarray(kernel)])
    return keras.Model(whole.input, {VERIFIER_OUTPUT: scores})
