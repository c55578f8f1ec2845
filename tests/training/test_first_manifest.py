"""What a device could not take is told before a model is trained."""

from __future__ import annotations

import pytest

from kws_device import InputError
from kws_device.front_end import Normalisation
from kws_training.cli import schemes
from kws_training.data.corpus import Folders
from kws_training.loop.manifest import first_manifest

NORMALISATION = Normalisation((-50.0,) * 40, (20.0,) * 40)


def manifest(folders, labels=("yes", "_unknown_"), **changes):
    recipe = schemes.load("default", {key.replace("__", "."): value for key, value in changes.items()})
    return first_manifest(recipe, folders, {"keyword": labels}, NORMALISATION)


def test_labels_sources_and_numbers_that_no_manifest_may_hold_are_told(tmp_path):
    folders = Folders(negatives=tmp_path)
    assert manifest(folders).keywords == ("yes",)
    with pytest.raises(InputError, match="a label holds control characters"):
        manifest(folders, ("yes\nforged", "_unknown_"))
    with pytest.raises(InputError, match="the name of a source must have 1 to 300 characters"):
        manifest(folders, provenance__negatives="x" * 400)
    with pytest.raises(InputError, match="refractory_s is 1000"):
        manifest(folders, decoder__refractory_s=1000.0)
