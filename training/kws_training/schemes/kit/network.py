"""The project's own network: residual convolutions, first over time and frequency, then over time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kws_device.front_end import MelConfig

from .recipe import ModelConfig

if TYPE_CHECKING:
    import keras


_MOMENTUM = 0.95
"""Of batch normalisation: runs of few steps must reach the statistics too."""


def residual_network(front_end: MelConfig, config: ModelConfig, heads: dict[str, int]) -> keras.Model:
    """A compact residual network with one softmax head per task.

    Convolutions over time and frequency (BC-ResNet's finding: early layers need both) hand over to
    separable convolutions over time alone with the bands as channels (TC-ResNet, MatchboxNet), then
    everything is averaged over time. Filters in multiples of eight cost no more than the next lower
    number on a CPU.

    Args:
        front_end: gives the input's shape, (frames, mels), normalised decibels.
        config: widths.
        heads: number of labels by head name.

    Returns:
        a Keras model from (n, frames, mels) to {head: (n, labels)}.
    """
    import keras
    from keras import layers

    def normalised(x: keras.KerasTensor) -> keras.KerasTensor:
        return layers.BatchNormalization(momentum=_MOMENTUM)(x)

    def plane_block(x: keras.KerasTensor, filters: int, strides: tuple[int, int]) -> keras.KerasTensor:
        y = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        y = layers.ReLU()(normalised(y))
        y = normalised(layers.Conv2D(filters, 3, padding="same", use_bias=False)(y))
        x = normalised(layers.Conv2D(filters, 1, strides, use_bias=False)(x))
        return layers.ReLU()(layers.Add()([x, y]))

    def separable(x: keras.KerasTensor) -> keras.KerasTensor:
        x = normalised(layers.DepthwiseConv1D(config.kernel, padding="same", use_bias=False)(x))
        return normalised(layers.Conv1D(config.channels, 1, use_bias=False)(x))

    def time_block(x: keras.KerasTensor) -> keras.KerasTensor:
        y = separable(layers.ReLU()(separable(x)))
        return layers.ReLU()(layers.Add()([x, y]))

    inputs = keras.Input((front_end.frames, front_end.mels), name="mels")
    x = layers.Reshape((front_end.frames, front_end.mels, 1))(inputs)
    x = layers.Conv2D(config.stem, 5, 2, padding="same", use_bias=False)(x)
    x = layers.ReLU()(normalised(x))
    for i, filters in enumerate(config.planes):
        x = plane_block(x, filters, (1 if i == 0 else 2, 2))
    x = layers.Reshape((x.shape[1], x.shape[2] * x.shape[3]))(x)
    x = layers.ReLU()(normalised(layers.Conv1D(config.channels, 1, use_bias=False)(x)))
    for _ in range(config.blocks):
        x = time_block(x)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dropout(config.dropout)(x)
    outputs = {name: layers.Dense(n, activation="softmax", name=name)(x) for name, n in heads.items()}
    return keras.Model(inputs, outputs)


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of one window through the convolutions and dense layers."""
    # Each output position of a convolution uses its whole kernel once.
    return sum(
        math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in model.layers
        if hasattr(layer, "kernel")
    )
