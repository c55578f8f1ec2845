"""Warm start: takes the weights of another run or of a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError
from kws_device.model import containers, model_file
from kws_device.model.manifest import Manifest

from . import runs
from .bn_folding import folded, unfolded
from .onnx_weights import read_weights, take_convolution

if TYPE_CHECKING:
    import keras


def manifest_of(start: Path) -> Manifest:
    """The manifest of a run, of a float .onnx, or of a shipped one by its name.

    Raises:
        InputError: none of these.
    """
    if start.is_dir():
        return runs.read_manifest(start)
    return model_file.read(model_file.find(start, (containers.ONNX,))).manifest


def check_labels(start: Path, manifest: Manifest, whole: bool) -> list[str]:
    """The heads that start anew because the other model's have other labels.

    Args:
        start: run or file to start from.
        manifest: of the new model.
        whole: whether all labels must be the same.

    Raises:
        InputError: no run or file, labels in another order, or other labels where they must be the same.
    """
    other = manifest_of(start)
    fresh = []
    for head, labels in manifest.labels.items():
        known = other.labels.get(head, ())
        if known != labels:
            same = sorted(known) == sorted(labels)
            if whole or same:
                raise InputError(
                    f"{start}: its {head} labels are {'in another order' if same else 'not these'} "
                    f"({', '.join(known[:5])}, ... against {', '.join(labels[:5])}, ...); "
                    "start from a run on the same labels"
                )
            fresh.append(head)
    return fresh


def take_weights(model: keras.Model, run: Path, manifest: Manifest, whole: bool, fold: bool = False) -> None:
    """Another run's weights into a new model.

    Args:
        model: built, its layers named.
        run: whose best model to take.
        manifest: of the new model.
        whole: everything must fit; otherwise other labels, and layers of other shapes, start anew.
        fold: make the other run's batch normalisations part of its convolutions first.

    Raises:
        InputError: as `check_labels`, or other layers where everything must fit.
    """
    fresh = check_labels(run, manifest, whole)
    other = runs.load_keras(run / runs.MODEL)
    donors = {layer.name: layer for layer in (folded(other) if fold else other).layers}
    for layer in model.layers:
        theirs = donors[layer.name].get_weights() if layer.name in donors else None
        ours = layer.get_weights()
        fits = theirs is not None and [w.shape for w in theirs] == [w.shape for w in ours]
        if fits and layer.name not in fresh:
            layer.set_weights(theirs)
        elif whole:
            raise InputError(
                f"{run}: a run of another recipe, its layer {layer.name} is not ours; name another --from"
            )


def take_file_weights(
    model: keras.Model, file: Path, manifest: Manifest, whole: bool, windows: NDArray[np.float32]
) -> None:
    """The weights of a float .onnx into a new model of the same shape.

    An export has its batch normalisations folded into the convolutions. A model that has some gets them back
    as they act on `windows`, so that training goes on where it ended.

    Args:
        model: built, new.
        file: a float .onnx, or the name of a shipped one.
        manifest: of the new model.
        whole: whether all labels must be the same.
        windows: the network's input for some hundred windows of training, shape (n, frames, mels).

    Raises:
        InputError: as `check_labels` and `read_weights`, or a network of another shape.
    """
    fresh = check_labels(file, manifest, whole)
    theirs = read_weights(file)
    convolutions = list(theirs.convolutions)
    single = folded(model)
    heads = dict(zip(manifest_of(file).labels, theirs.heads, strict=False))
    for layer in single.layers:
        if not hasattr(layer, "kernel"):
            continue
        if layer.name not in model.output:
            take_convolution(layer, convolutions, file)
        elif layer.name in heads and layer.name not in fresh:
            layer.set_weights(heads[layer.name])
    unfolded(single, model, windows)
