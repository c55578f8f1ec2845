"""The study's network: AlexNet's shape, made small, with dense layers of its own for each task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kws_device.front_end import MelConfig

from .recipe import AlexNetConfig, StudyRecipe
from .stages import TRUNK, stage_of

if TYPE_CHECKING:
    import keras


def alexnet(front_end: MelConfig, config: AlexNetConfig, labels: dict[str, int]) -> keras.Model:
    """Five convolutions with three pools, then for each task two dense layers and a softmax.

    Args:
        front_end: gives the input's shape, (frames, mels), normalised decibels.
        config: heads and padding.
        labels: number of labels by head.

    Returns:
        a Keras model from (n, frames, mels) to {head: (n, labels)}.

    Raises:
        ValueError: a clip has too few frames for the pools.
    """
    import keras
    from keras import layers

    def convolution(x: keras.KerasTensor, n: int, filters: int, kernel: int, strides: object = 1) -> object:
        return layers.Conv2D(
            filters, kernel, strides, padding="same", activation="relu", name=f"{TRUNK}_conv{n}"
        )(x)

    def pool(x: keras.KerasTensor, n: int, strides: object) -> object:
        x = layers.MaxPooling2D(3, strides, padding=config.pool_padding, name=f"{TRUNK}_pool{n}")(x)
        return layers.BatchNormalization(name=f"{TRUNK}_norm{n}")(x)

    def head(x: keras.KerasTensor, name: str) -> object:
        for n in (1, 2):
            x = layers.Dense(config.dense, activation="relu", name=f"{name}_dense{n}")(x)
            x = layers.Dropout(config.dropout, name=f"{name}_dropout{n}")(x)
        return layers.Dense(labels[name], activation="softmax", name=name)(x)

    inputs = keras.Input((front_end.frames, front_end.mels), name="mels")
    # The study's input is bands by frames.
    x = layers.Permute((2, 1), name=f"{TRUNK}_turn")(inputs)
    x = layers.Reshape((front_end.mels, front_end.frames, 1), name=f"{TRUNK}_plane")(x)
    x = pool(convolution(x, 1, 48, 11, (2, 3)), 1, (1, 2))
    x = pool(convolution(x, 2, 128, 5, (2, 3)), 2, 2)
    for n, filters in ((3, 192), (4, 192), (5, 128)):
        x = convolution(x, n, filters, 3)
    x = layers.Flatten(name=f"{TRUNK}_flat")(pool(x, 3, (1, 2)))
    return keras.Model(inputs, {name: head(x, name) for name in config.heads})


def train_only(model: keras.Model, trained: tuple[str, ...]) -> None:
    """Freeze every layer but those of the named parts: the heads' names and TRUNK."""
    for layer in model.layers:
        layer.trainable = layer.name.split("_")[0] in trained


def compiled(recipe: StudyRecipe, labels: dict[str, int], steps: int) -> keras.Model:
    """The study's network, ready to be fitted: frozen are the parts that the recipe's last stage leaves.

    Args:
        recipe: its model and its optimisation.
        labels: number of labels by head.
        steps: of an epoch.
    """
    import keras

    from .learning_rate import Triangular

    model = alexnet(recipe.front_end, recipe.model, labels)
    train_only(model, stage_of(recipe).trained)
    rates = recipe.optimisation
    rate = Triangular(rates.learning_rate_min, rates.learning_rate_max, rates.half_cycle_epochs * steps)
    model.compile(
        keras.optimizers.Adam(rate),
        loss={head: keras.losses.CategoricalCrossentropy() for head in labels},
        weighted_metrics={head: ["accuracy"] for head in labels},
    )
    return model
