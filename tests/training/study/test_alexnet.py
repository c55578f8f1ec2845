"""The study's network: of the size that its report gives, and trained only where a stage says so."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from kws_training.cli import schemes
from kws_training.schemes.study.network import alexnet, train_only

LABELS = {"keyword": 30, "scene": 10}
HEADS = {
    "keyword": {"keyword_dense1", "keyword_dense2", "keyword"},
    "scene": {"scene_dense1", "scene_dense2", "scene"},
}
TRUNK = {f"trunk_conv{n}" for n in range(1, 6)} | {f"trunk_norm{n}" for n in (1, 2, 3)}


def network(variant="documented", heads=("keyword", "scene"), **changes):
    recipe = schemes.load("run5", {f"model.{k}": v for k, v in changes.items()}, variant)
    keras.utils.set_random_seed(1)
    labels = {head: LABELS[head] for head in heads}
    return alexnet(recipe.front_end, replace(recipe.model, heads=heads), labels)


@pytest.mark.parametrize(
    ("variant", "heads", "count"),
    [
        ("as-run", ("keyword",), 1_074_750),
        ("as-run", ("keyword", "scene"), 1_208_904),
        ("documented", ("keyword",), 1_336_894),
        ("documented", ("keyword", "scene"), 1_733_192),
    ],
)
def test_the_network_has_the_reported_number_of_parameters(variant, heads, count):
    model = network(variant, heads)
    assert model.count_params() == count
    frames = {"as-run": 138, "documented": 101}[variant]
    assert tuple(model.inputs[0].shape) == (None, frames, 40)
    assert {head: tuple(output.shape) for head, output in model.output.items()} == {
        head: (None, LABELS[head]) for head in heads
    }


def test_every_head_gives_probabilities():
    scores = network()(np.random.default_rng(0).standard_normal((3, 101, 40)).astype(np.float32))
    for head in LABELS:
        answers = np.asarray(scores[head])
        assert answers.min() >= 0
        assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("trained", "layers"),
    [
        (("trunk", "keyword", "scene"), TRUNK | HEADS["keyword"] | HEADS["scene"]),
        (("trunk",), TRUNK),
        (("keyword",), HEADS["keyword"]),
        (("scene",), HEADS["scene"]),
    ],
)
def test_only_the_named_parts_have_weights_to_train(trained, layers):
    model = network()
    train_only(model, trained)
    assert {layer.name for layer in model.layers if layer.trainable_weights} == layers
    left = {layer.name for layer in model.layers if layer.weights} - layers
    assert left == (TRUNK | HEADS["keyword"] | HEADS["scene"]) - layers


def test_what_was_frozen_for_one_stage_is_trained_in_the_next():
    model = network()
    train_only(model, ("keyword",))
    train_only(model, ("scene",))
    assert {layer.name for layer in model.layers if layer.trainable_weights} == HEADS["scene"]
    train_only(model, ("trunk", "keyword", "scene"))
    assert {layer.name for layer in model.layers if layer.trainable_weights} == TRUNK.union(*HEADS.values())


@pytest.mark.parametrize(("trained", "layers"), [(("keyword",), HEADS["keyword"]), (("trunk",), TRUNK)])
def test_a_step_changes_the_trained_parts_and_not_a_statistic_of_the_others(trained, layers):
    model = network(dense=32, dropout=0.0)
    train_only(model, trained)
    loss = dict.fromkeys(LABELS, "categorical_crossentropy")
    model.compile(keras.optimizers.SGD(0.1), loss=loss, run_eagerly=True)
    before = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    rng = np.random.default_rng(0)
    mels = 5 + rng.standard_normal((4, 101, 40)).astype(np.float32)
    model.train_on_batch(mels, {head: np.eye(n, dtype=np.float32)[:4] for head, n in LABELS.items()})
    changed = {
        name
        for name, weights in before.items()
        if not all(map(np.array_equal, weights, model.get_layer(name).get_weights()))
    }
    assert changed == layers
