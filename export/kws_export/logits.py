"""The network without its softmax, which the device computes itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kws_device.model.manifest import Manifest

if TYPE_CHECKING:
    import keras


def without_softmax(model: keras.Model) -> keras.Model:
    """The same network whose heads give logits.

    TensorFlow Lite computes an int8 softmax in other ways on ARM than on x86, and its 256 values are
    coarse where it matters; up to the logits all processors agree, integer by integer.
    """
    import keras

    def clone(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if isinstance(layer, keras.layers.Dense) and layer.activation is keras.activations.softmax:
            config = {**config, "activation": "linear"}
        return type(layer).from_config(config)

    bare = keras.models.clone_model(model, clone_function=clone)
    bare.set_weights(model.get_weights())
    return bare


def of_logits(manifest: Manifest) -> Manifest:
    """The manifest of such a network."""
    return replace(manifest, heads=tuple(replace(head, softmax=True) for head in manifest.heads))
