"""Fitting: TensorFlow reads a step once, and going on after an interruption changes nothing."""

from __future__ import annotations

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from kws_training.loop.fit import Plan, fit


class Batches(keras.utils.PyDataset):
    """An epoch of numbers with labels."""

    def __init__(self, epoch):
        super().__init__()
        self._epoch = epoch

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rng = np.random.default_rng([self._epoch, index])
        targets = np.eye(3, dtype=np.float32)[rng.integers(3, size=8)]
        inputs = rng.standard_normal((8, 4)).astype(np.float32)
        return inputs, {"keyword": targets}, {"keyword": np.ones(8, np.float32)}


@keras.saving.register_keras_serializable()
class Crossentropy(keras.losses.CategoricalCrossentropy):
    """Counts how often it becomes part of a graph."""

    traced = 0

    def call(self, y_true, y_pred):
        Crossentropy.traced += tf.inside_function()
        return super().call(y_true, y_pred)


@pytest.fixture
def model():
    """Makes the same small model, compiled, each time."""

    def make():
        keras.utils.set_random_seed(1)
        inputs = keras.Input((4,))
        made = keras.Model(inputs, {"keyword": keras.layers.Dense(3, "softmax", name="keyword")(inputs)})
        made.compile("adam", {"keyword": Crossentropy()}, weighted_metrics={"keyword": ["accuracy"]})
        return made

    return make


def plan(epochs, batches=Batches):
    return Plan(epochs, 1, batches, None, "right", judge=lambda model: {"right": 0.5})


def test_a_step_is_traced_once(model, tmp_path):
    before = Crossentropy.traced
    fit(model(), plan(2), tmp_path, resume=False)
    assert Crossentropy.traced == before + 1


def test_a_fit_that_was_interrupted_and_resumed_equals_the_whole(model, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"

    def batches(epoch):
        if epoch == 1 and not parts.exists():  # as an interruption now would leave it
            shutil.copytree(whole, parts)
        return Batches(epoch)

    uninterrupted, resumed = model(), model()
    rows = fit(uninterrupted, plan(2, batches), whole, resume=False)
    assert fit(resumed, plan(2), parts, resume=True) == rows
    for ours, theirs in zip(resumed.get_weights(), uninterrupted.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
