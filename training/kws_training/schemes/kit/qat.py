"""int8's rounding, simulated in training: quantisation-aware fine-tuning.

Kernels and tensors are real numbers that are rounded where TensorFlow Lite's int8 kernels round, and to
the numbers that these can hold; gradients pass as if nothing were rounded. Source: Jacob et al.,
"Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018,
with batch normalisation folded beforehand.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ...loop.bn_folding import source

_FALL = 0.1
"""Share by which a range shrinks in a step: it spans about what calibration sees for an export."""
_SAME_TENSOR = (keras.layers.Reshape, keras.layers.Dropout)
"""What comes out has the scale of what goes in."""


@keras.saving.register_keras_serializable("kws")
class RoundedOutput(keras.layers.Layer):  # type: ignore[misc]
    """A tensor as int8 holds it: 256 numbers from its lowest to its highest, zero among them.

    The range follows what is seen in training: it grows at once, so that nothing is clipped, and shrinks
    slowly.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the range's two ends."""
        self.low = self.add_weight(shape=(), initializer="zeros", trainable=False, name="low")
        tiny = keras.initializers.Constant(keras.config.epsilon())
        self.high = self.add_weight(shape=(), initializer=tiny, trainable=False, name="high")

    def call(self, x: Any, training: bool = False) -> Any:
        """Round, shape kept; in training, move the range first."""
        if training:
            low = ops.minimum(ops.min(x), 0.0)
            high = ops.maximum(ops.max(x), keras.config.epsilon())
            self.low.assign(ops.minimum(low, self.low + _FALL * (low - self.low)))
            self.high.assign(ops.maximum(high, self.high + _FALL * (high - self.high)))
        low, high = ops.stop_gradient(self.low), ops.stop_gradient(self.high)
        return keras.quantizers.fake_quant_with_min_max_vars(x, low, high)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return input_shape


@keras.saving.register_keras_serializable("kws")
class RoundedKernel(keras.layers.Wrapper):  # type: ignore[misc]
    """A convolution or dense layer with its kernel as int8 holds it: symmetric, a scale for each channel.

    The bias stays: TensorFlow Lite keeps 32 bits of it.
    """

    def call(self, x: Any) -> Any:
        """What the layer would give with the rounded kernel."""
        kernel, *bias = self.layer.trainable_variables
        # Of a depthwise kernel, (frames, channels, 1), and of all others, (..., channels in, channels).
        axis = len(kernel.shape) - (2 if hasattr(self.layer, "depth_multiplier") else 1)
        others = [i for i in range(len(kernel.shape)) if i != axis]
        largest = ops.maximum(ops.max(ops.abs(kernel), others, keepdims=True), keras.config.epsilon())
        scale = largest / 127
        rounded = kernel + ops.stop_gradient(ops.round(kernel / scale) * scale - kernel)
        return self.layer.stateless_call([rounded, *bias], [], x)[0]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The layer's."""
        return self.layer.compute_output_shape(input_shape)  # type: ignore[no-any-return]


def with_rounding(model: keras.Model) -> keras.Model:
    """The same network with int8's rounding wherever TensorFlow Lite rounds.

    Args:
        model: without batch normalisation, its only activations ReLU layers and the heads' softmax.
    """
    # TensorFlow Lite makes a ReLU part of the step before it, which rounds once.
    before = [source(layer) for layer in model.layers if isinstance(layer, keras.layers.ReLU)]
    fused = {layer.name for layer in before if layer is not None}

    def clone(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if layer.name in model.output:
            config["activation"] = "linear"  # logits are rounded, too; the softmax is the device's
        copy = type(layer).from_config(config)
        return RoundedKernel(copy, name=f"rounded_{layer.name}") if hasattr(layer, "kernel") else copy

    def call(layer: keras.Layer, x: Any, **options: Any) -> Any:
        name = layer.layer.name if isinstance(layer, RoundedKernel) else layer.name
        if x is inputs:
            x = RoundedOutput()(x)
        y = layer(x, **options)
        if name in fused or isinstance(layer, _SAME_TENSOR):
            return y
        y = RoundedOutput()(y)
        return keras.layers.Softmax(name=name)(y) if name in model.output else y

    inputs = keras.Input(model.input_shape[1:], name=model.input.name)
    aware = keras.models.clone_model(model, input_tensors=inputs, clone_function=clone, call_function=call)
    for layer in _rounded_layers(aware):
        layer.set_weights(model.get_layer(layer.name).get_weights())
    return aware


def without_rounding(aware: keras.Model, model: keras.Model) -> keras.Model:
    """Give the network that `with_rounding` was given the weights of what came of it; returns it."""
    for layer in _rounded_layers(aware):
        model.get_layer(layer.name).set_weights(layer.get_weights())
    return model


def _rounded_layers(aware: keras.Model) -> list[keras.Layer]:
    return [layer.layer for layer in aware.layers if isinstance(layer, RoundedKernel)]
