"""Folds batch normalisation into the convolution before it, and unfolds it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import keras


def folded(model: keras.Model) -> keras.Model:
    """The same function with each batch normalisation behind a convolution made part of its weights.

    Convolutions keep their names and get a bias; normalisations behind anything else stay. What is not
    folded would be quantised, and run, as a multiplication and an addition of its own.
    """
    import keras

    behind = _normalisations(model)
    gone = {layer.name for layer in behind.values()}

    def clone(layer: keras.Layer) -> keras.Layer:
        bias = {"use_bias": True} if layer.name in behind else {}
        return type(layer).from_config({**layer.get_config(), **bias})

    def call(layer: keras.Layer, *inputs: Any, **options: Any) -> Any:
        return inputs[0] if layer.name in gone else layer(*inputs, **options)

    single = keras.models.clone_model(model, clone_function=clone, call_function=call)
    for layer in model.layers:
        if layer.name in behind:
            single.get_layer(layer.name).set_weights(_with_normalisation(layer, behind[layer.name]))
        elif layer.name not in gone:
            single.get_layer(layer.name).set_weights(layer.get_weights())
    return single


def unfolded(single: keras.Model, model: keras.Model, windows: NDArray[np.float32]) -> None:
    """Give a model the weights of its folded twin: the same function, ready to be trained on.

    Each batch normalisation becomes what it would be had it seen `windows`: in training it normalises by a
    batch's statistics, and what follows must find the scale that it has learned.

    Args:
        single: of `folded`, with weights of its own.
        model: of the same shape, with batch normalisations; is changed.
        windows: input for both, shape (n, ...), some hundred.
    """
    import keras

    behind = _normalisations(model)
    outputs = {name: single.get_layer(name).output for name in behind}
    seen = keras.Model(single.input, outputs).predict(windows, verbose=0) if outputs else {}
    for layer in single.layers:
        if layer.name not in behind:
            model.get_layer(layer.name).set_weights(layer.get_weights())
            continue
        kernel, bias = layer.get_weights()
        model.get_layer(layer.name).set_weights([kernel])
        channels = np.asarray(seen[layer.name], dtype=np.float64).reshape(-1, len(bias))
        mean, variance = channels.mean(axis=0), channels.var(axis=0)
        gamma = np.sqrt(variance + behind[layer.name].epsilon)
        behind[layer.name].set_weights([gamma, mean, mean - bias, variance])


def _normalisations(model: keras.Model) -> dict[str, keras.Layer]:
    """The batch normalisation behind a convolution, by the convolution's name."""
    import keras

    convolutions = (
        keras.layers.Conv1D,
        keras.layers.Conv2D,
        keras.layers.DepthwiseConv1D,
        keras.layers.DepthwiseConv2D,
    )
    behind = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            before = source(layer)
            if isinstance(before, convolutions) and before.activation is keras.activations.linear:
                behind[before.name] = layer
    return behind


def source(layer: keras.Layer) -> keras.Layer | None:
    """The layer whose output is the only input of this one; None where there are several."""
    history = getattr(layer.input, "_keras_history", None)
    return None if history is None else history.operation


def _with_normalisation(layer: keras.Layer, normalisation: keras.Layer) -> list[NDArray[np.float32]]:
    """Kernel and bias that do what the layer and the batch normalisation behind it did together."""
    kernel, *bias = layer.get_weights()
    gamma, beta, mean, variance = normalisation.get_weights()
    scale = gamma / np.sqrt(variance + normalisation.epsilon)
    # A depthwise kernel's output channels are its last two dimensions, all others' the last one.
    of_kernel = scale.reshape(kernel.shape[-2:]) if hasattr(layer, "depth_multiplier") else scale
    return [kernel * of_kernel, beta + ((bias[0] if bias else 0) - mean) * scale]
