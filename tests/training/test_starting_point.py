"""Starting from a shipped model's float ONNX: the network comes back as it was trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kws_device import InputError
from kws_device.model import model_file
from kws_device.model.engine import load_engine
from kws_training.cli import schemes
from kws_training.loop.warm_start import manifest_of, take_file_weights

SHIPPED = Path("kws-float")


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((64, 98, 40)).astype(np.float32)


def network(keywords: int, scenes: int):
    from kws_training.schemes.kit.model import new_network

    return new_network(schemes.load("default"), {"keyword": keywords, "scene": scenes})


def test_an_export_gives_its_weights_back_with_the_normalisations_that_training_needs(windows):
    manifest = manifest_of(SHIPPED)
    model = network(10, 10)
    take_file_weights(model, SHIPPED, manifest, whole=True, windows=windows)
    engine = load_engine(model_file.read(model_file.find(SHIPPED, ("onnx",))))
    for window in windows[:3]:
        ours, theirs = model.predict_on_batch(window[None]), engine.scores(window)
        for head in theirs:
            assert np.allclose(ours[head][0], theirs[head], atol=1e-5)
    # By a batch's statistics it does what it does by its own.
    trained = np.asarray(model(windows, training=True)["keyword"])
    assert np.abs(trained - model.predict_on_batch(windows)["keyword"]).mean() < 0.05


def test_other_words_start_anew_and_another_shape_is_refused(windows):
    manifest = manifest_of(SHIPPED).without_verifier()
    head = replace(manifest.heads[0], labels=("hey", "_unknown_"), not_events=("_unknown_",))
    decoder = replace(manifest.decoder, thresholds={"hey": 0.5}, scene_thresholds={}, smoothing_s={})
    other = replace(manifest, heads=(head, manifest.heads[1]), decoder=decoder)
    model = network(2, 10)
    before = model.get_layer("keyword").get_weights()[0]
    take_file_weights(model, SHIPPED, other, whole=False, windows=windows)
    assert np.array_equal(model.get_layer("keyword").get_weights()[0], before)
    with pytest.raises(InputError, match="are not these"):
        take_file_weights(model, SHIPPED, other, whole=True, windows=windows)
    from kws_training.schemes.kit.model import new_network

    small = schemes.load("default", {"model.channels": 64})
    narrow = new_network(small, {"keyword": 10, "scene": 10})
    with pytest.raises(InputError, match="no convolution like"):
        take_file_weights(narrow, SHIPPED, manifest, whole=True, windows=windows)


def test_an_int8_model_gives_no_weights(windows):
    with pytest.raises(InputError, match="not a float model"):
        take_file_weights(network(10, 10), Path("kws"), manifest_of(SHIPPED), whole=True, windows=windows)
