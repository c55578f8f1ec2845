"""Batches of the study's mixture: what is in an epoch, with which weights, and that it can be drawn again."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import keras
import numpy as np
import pytest

from kws_device.front_end import Normalisation
from kws_training.cli import schemes
from kws_training.schemes.study.batches import SpectrogramBatches
from kws_training.schemes.study.examples import Examples
from kws_training.schemes.study.features import Features
from kws_training.schemes.study.stages import stage_of

SIZE = 4
PLAIN = {
    "optimisation.batch_size": SIZE, "augmentation.erase_prob": 0.0, "augmentation.shift_share": 0.0,
    "augmentation.flip_prob": 0.0, "augmentation.mixup_alpha": 0.0,
}  # fmt: skip
FRAMES, MELS = 101, 40
SCENE_FRAMES = 401


def recipe(row="run5", variant="documented", **changes):
    return schemes.load(row, {**PLAIN, **{k.replace("__", "."): v for k, v in changes.items()}}, variant)


def dataset(count, frames=FRAMES, first=1.0, mean=0.0, std=1.0):
    """Clips of one value each: `first`, first + 1 and so on; each has a label of its own."""
    values = first + np.repeat(np.arange(count, dtype=np.float32), frames)
    mels = np.repeat(values[:, None], MELS, axis=1)
    ends = frames * np.arange(1, count + 1)
    normalisation = Normalisation((mean,) * MELS, (std,) * MELS)
    return Examples(Features(mels, ends), np.eye(count, dtype=np.float32), normalisation, frames)


def epoch(speech, scenes, recipe, number=0, stage=None):
    given = {"keyword": speech, "scene": scenes}
    datasets = {head: dataset for head, dataset in given.items() if dataset is not None}
    batches = SpectrogramBatches(datasets, recipe, stage or stage_of(recipe), number)
    return [batches[i] for i in range(len(batches))]


def drawn(batches, head):
    """The numbers of the clips, batch by batch."""
    return [labels[head].argmax(axis=1).tolist() for _, labels, _ in batches]


def content(batches):
    parts = chain(*((mels, *labels.values(), *scales.values()) for mels, labels, scales in batches))
    return [part.tobytes() for part in parts]


def test_an_epoch_has_every_clip_of_the_larger_dataset_once():
    numbers = drawn(epoch(dataset(12), dataset(5, SCENE_FRAMES), recipe()), "keyword")
    assert sorted(chain(*numbers)) == list(range(12))
    numbers = drawn(epoch(dataset(5), dataset(12, SCENE_FRAMES), recipe()), "scene")
    assert sorted(chain(*numbers)) == list(range(12))


def test_an_incomplete_last_batch_is_filled_by_reflection():
    *whole, last = drawn(epoch(dataset(10), dataset(5, SCENE_FRAMES), recipe()), "keyword")
    assert sorted([*chain(*whole), *last[:2]]) == list(range(10))
    assert last[2:] == [last[0], last[1]]


def test_the_smaller_dataset_is_gone_through_again_and_again_in_new_orders():
    numbers = drawn(epoch(dataset(32), dataset(6, SCENE_FRAMES), recipe()), "scene")
    assert len(numbers) == 8
    passes = [numbers[i] + numbers[i + 1][:2] for i in range(0, 8, 2)]
    assert all(sorted(one) == list(range(6)) for one in passes)
    assert len({tuple(one) for one in passes}) > 1


def test_the_order_of_an_epoch_is_not_that_of_the_dataset_and_changes():
    speech, scenes = dataset(32), dataset(8, SCENE_FRAMES)
    one, other = ([*chain(*drawn(epoch(speech, scenes, recipe(), n), "keyword"))] for n in (0, 1))
    assert list(range(32)) != one != other


def test_words_and_scenes_are_shuffled_apart():
    batches = epoch(dataset(32), dataset(32, SCENE_FRAMES), recipe())
    assert drawn(batches, "keyword") != drawn(batches, "scene")


def test_the_same_epoch_is_the_same_to_the_last_byte_and_any_other_is_another():
    full = {key: value for key, value in PLAIN.items() if key == "optimisation.batch_size"}
    mixed = schemes.load("run6", full)
    speech, scenes = dataset(9, 90), dataset(7, SCENE_FRAMES)
    one = content(epoch(speech, scenes, mixed))
    assert content(epoch(speech, scenes, mixed)) == one
    stage = stage_of(mixed)
    for other in (
        epoch(speech, scenes, mixed, 1),
        epoch(speech, scenes, mixed, 0, replace(stage, number=1)),
        epoch(speech, scenes, replace(mixed, seed=2)),
    ):
        assert not set(content(other)) & {part for part in one if len(part) > 1000}


def test_a_batch_does_not_depend_on_those_before_it():
    full = schemes.load("run6", {"optimisation.batch_size": SIZE})
    datasets = {"keyword": dataset(12), "scene": dataset(7, SCENE_FRAMES)}
    batches = SpectrogramBatches(datasets, full, stage_of(full), 3)
    late = batches[2]
    assert content([late]) == content([epoch(dataset(12), dataset(7, SCENE_FRAMES), full, 3)[2]])


def test_shapes_are_those_that_the_network_takes():
    for mels, labels, scales in epoch(dataset(9), dataset(7, SCENE_FRAMES), recipe()):
        assert mels.shape == (SIZE, FRAMES, MELS)
        assert {head: part.shape for head, part in labels.items()} == {
            "keyword": (SIZE, 9),
            "scene": (SIZE, 7),
        }
        assert {head: part.shape for head, part in scales.items()} == {"keyword": (SIZE,), "scene": (SIZE,)}
        assert {part.dtype for part in (mels, *labels.values(), *scales.values())} == {np.dtype(np.float32)}


@pytest.mark.parametrize("variant", schemes.VARIANTS)
def test_labels_sum_to_one_with_all_augmentation_whatever_the_weights(variant):
    half = {"optimisation.batch_size": SIZE, "front_end.clip_ms": 500.0, "model.pool_padding": "same"}
    full = schemes.load("run6", half, variant)
    for mels, labels, _ in epoch(dataset(9), dataset(7, SCENE_FRAMES), full):
        assert np.isfinite(mels).all()
        for part in labels.values():
            assert np.allclose(part.sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("row", "variant"), [("run5", "documented"), ("run6", "documented"), ("run5", "as-run")]
)
def test_what_is_mixed_is_what_the_labels_say_with_the_weights_of_the_loss(row, variant):
    """Words are worth 1 to 9, scenes 100 to 106, each normalised its own way."""
    given = recipe(row, variant)
    speech = replace(dataset(9, mean=2.0, std=4.0), frames=given.front_end.frames)
    scenes = dataset(7, SCENE_FRAMES, 100.0, mean=-3.0, std=2.0)
    for mels, labels, scales in epoch(speech, scenes, given):
        a, b = (np.unique(scales[head]) for head in ("keyword", "scene"))
        assert len(a) == len(b) == 1
        words = (1 + labels["keyword"].argmax(axis=1) - 2.0) / 4.0
        sounds = (100 + labels["scene"].argmax(axis=1) + 3.0) / 2.0
        expected = np.broadcast_to((a * words + b * sounds)[:, None, None], mels.shape)
        assert np.allclose(mels, expected, rtol=1e-5)


def weights(row, variant, epochs=40):
    given = recipe(row, variant)
    batches = [
        batch
        for n in range(epochs)
        for batch in epoch(dataset(9, given.front_end.frames), dataset(7, SCENE_FRAMES), given, n)
    ]
    return np.array([[scales["keyword"][0], scales["scene"][0]] for _, _, scales in batches])


def test_the_weights_of_a_fixed_ratio_are_fixed_as_documented_and_wander_as_run():
    assert np.allclose(weights("run5", "documented"), [0.6, 0.4])
    wander = weights("run5", "as-run")
    k = wander[:, 0] - 0.6
    assert np.allclose(wander[:, 1] - 0.4, k, atol=1e-6)
    assert k.min() < -0.15
    assert k.max() > 0.15
    assert np.abs(k).max() <= 0.2 + 1e-6


def test_random_weights_keep_their_sum_as_documented_and_are_drawn_for_each_batch():
    drawn_ = weights("run6", "documented")
    assert np.allclose(drawn_.sum(axis=1), 1)
    assert len(np.unique(drawn_[:, 0])) == len(drawn_)


def test_a_weight_below_zero_stays_below_zero_as_run():
    """At 100:0 the code's k went into the scenes' weight too, with either sign."""
    drawn_ = weights("run3", "as-run")
    assert drawn_[:, 1].min() < -0.15
    assert drawn_[:, 1].max() > 0.15
    assert np.allclose(drawn_[:, 0] - 1, drawn_[:, 1], atol=1e-6)
    assert np.allclose(weights("run3", "documented", 2), [1, 0])


def test_scenes_as_plain_augmentation_scale_nothing_and_ask_nothing():
    for mels, labels, scales in epoch(dataset(9), dataset(7, SCENE_FRAMES, 100.0), recipe("runx")):
        assert set(labels) == set(scales) == {"keyword"}
        assert (scales["keyword"] == 1).all()
        words = 1 + labels["keyword"].argmax(axis=1)
        sounds = (mels[:, 0, 0] - 0.6 * words) / 0.4
        assert np.allclose(sounds, np.round(sounds), atol=1e-3)
        assert ((sounds > 99.5) & (sounds < 106.5)).all()


@pytest.mark.parametrize(("row", "head"), [("base-scd", "keyword"), ("base-usd", "scene")])
@pytest.mark.parametrize("variant", schemes.VARIANTS)
def test_one_dataset_alone_is_neither_mixed_nor_weighed(row, head, variant):
    given = recipe(row, variant)
    frames = given.front_end.frames
    parts = {"keyword": dataset(9, frames), "scene": dataset(9, SCENE_FRAMES)}
    batches = epoch(*(part if name == head else None for name, part in parts.items()), given)
    assert len(batches) == 3
    for mels, labels, scales in batches:
        assert set(labels) == {head}
        assert (scales[head] == 1).all()
        assert np.array_equal(mels[:, 0, 0], 1 + labels[head].argmax(axis=1))
        assert mels.shape == (SIZE, frames, MELS)


def test_a_window_of_a_scene_is_a_stretch_of_it_at_a_place_of_its_own():
    place = np.arange(8 * SCENE_FRAMES, dtype=np.float32)
    mels = np.repeat(place[:, None], MELS, axis=1)
    scenes = Examples(
        Features(mels, SCENE_FRAMES * np.arange(1, 9)),
        np.eye(8, dtype=np.float32),
        Normalisation((0.0,) * MELS, (1.0,) * MELS),
        SCENE_FRAMES,
    )
    starts = set()
    for n in range(6):
        for windows, labels, _ in epoch(None, scenes, recipe("base-usd"), n):
            assert (np.diff(windows[:, :, 0], axis=1) == 1).all()
            start = windows[:, 0, 0] - SCENE_FRAMES * labels["scene"].argmax(axis=1)
            assert (start >= 0).all()
            assert (start <= SCENE_FRAMES - FRAMES).all()
            starts |= set(start.tolist())
    assert len(starts) > 30


def test_words_and_scenes_of_any_length_are_brought_to_the_window():
    lengths = np.array([30, 101, 250, 401])
    mels = np.ones((lengths.sum(), MELS), dtype=np.float32)
    normalisation = Normalisation((0.0,) * MELS, (1.0,) * MELS)
    short = Examples(
        Features(mels, lengths.cumsum()), np.eye(4, dtype=np.float32), normalisation, SCENE_FRAMES
    )
    for windows, _, _ in epoch(dataset(5, 80), short, recipe()):
        assert windows.shape == (SIZE, FRAMES, MELS)


def test_a_step_goes_where_scaled_labels_would_lead():
    """The weights stand in front of the loss: the same gradient as that of the cross-entropy of y times w."""
    given = recipe("run6", "as-run", seed=5)
    frames = given.front_end.frames
    ((mels, labels, scales),) = epoch(dataset(4, frames, -1.5), dataset(3, SCENE_FRAMES, -1.0), given)
    assert scales["keyword"][0] != pytest.approx(0.6, abs=0.02)
    inputs = keras.Input((frames, MELS))
    x = keras.layers.Lambda(lambda window: window[:, 0, :1], output_shape=(1,))(inputs)
    heads = {
        head: keras.layers.Dense(n, activation="softmax", kernel_initializer="zeros", name=head)(x)
        for head, n in (("keyword", 4), ("scene", 3))
    }
    model = keras.Model(inputs, heads)
    losses = {head: keras.losses.CategoricalCrossentropy() for head in heads}
    model.compile(keras.optimizers.SGD(1.0), loss=losses)
    model.train_on_batch(mels, labels, scales)
    for head, n in (("keyword", 4), ("scene", 3)):
        kernel, bias = model.get_layer(head).get_weights()
        scaled = scales[head][:, None] * labels[head]
        # Of -sum(wy log p), at the beginning p = 1/n: the derivative by the logits is sum(wy) p - wy.
        slope = scaled.sum(axis=1, keepdims=True) / n - scaled
        assert np.allclose(bias, -slope.mean(axis=0), atol=1e-6)
        assert np.allclose(kernel, -(mels[:, 0, :1] * slope).mean(axis=0, keepdims=True), atol=1e-6)
