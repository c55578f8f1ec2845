"""Starting from another run's weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kws_device.errors import InputError
from kws_device.manifest import Manifest

from . import runs
from .folding import folded

if TYPE_CHECKING:
    import keras


def check_labels(run: Path, manifest: Manifest, whole: bool) -> list[str]:
    """The heads that start anew because the other run's have other labels.

    Args:
        run: to start from.
        manifest: of the new model.
        whole: whether all labels must be the same.

    Raises:
        InputError: no run, labels in another order, or other labels where they must be the same.
    """
    _, other = runs.read_run(run)
    fresh = []
    for head, labels in manifest.labels.items():
        known = other.labels.get(head, ())
        if known != labels:
            same = sorted(known) == sorted(labels)
            if whole or same:
                raise InputError(
                    f"{run}: its {head} labels are {'in another order' if same else 'not these'} "
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
