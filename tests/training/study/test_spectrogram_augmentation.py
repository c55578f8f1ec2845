"""What happens to spectrograms before they are mixed: each step does its own thing and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_training.schemes.study.augmentation import augmented, erased, flipped, mixup, moved
from kws_training.schemes.study.recipe import SpectrogramAugmentation

AREA, ASPECT = (0.02, 0.1), 3.3
FRAMES, MELS = 100, 40
OFF = dict.fromkeys(("erase_prob", "shift_share", "flip_prob", "mixup_alpha"), 0.0)
STEPS = {"erase_prob": 1.0, "shift_share": 0.4, "flip_prob": 1.0, "mixup_alpha": 1.0}


def switched(**on):
    return SpectrogramAugmentation(erase_area=AREA, erase_aspect=ASPECT, **{**OFF, **on})


def drawn(n, seed=0, frames=FRAMES, mels=MELS):
    """Read-only, so that a step which works in place is found out."""
    batch = np.random.default_rng(seed).standard_normal((n, frames, mels)).astype(np.float32)
    labels = np.eye(n, dtype=np.float32)
    batch.flags.writeable = labels.flags.writeable = False
    return batch, labels


def test_with_all_steps_switched_off_nothing_changes():
    batch, labels = drawn(8)
    changed, targets = augmented(batch, labels, switched(), np.random.default_rng(0))
    assert np.array_equal(changed, batch)
    assert np.array_equal(targets, labels)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_works_alone_and_leaves_its_input_as_it_was(step):
    batch, labels = drawn(8)
    alone = switched(**{step: STEPS[step]})
    changed, targets = augmented(batch, labels, alone, np.random.default_rng(1))
    assert (changed != batch).any()
    assert changed.shape == batch.shape
    assert changed.dtype == targets.dtype == np.float32
    assert np.array_equal(targets, labels) == (step != "mixup_alpha")
    fresh, same = drawn(8)
    assert np.array_equal(batch, fresh)
    assert np.array_equal(labels, same)


def test_the_steps_follow_each_other_in_the_order_of_the_recipe():
    batch, labels = drawn(8)
    rng = np.random.default_rng(2)
    one = flipped(moved(erased(batch, 1.0, AREA, ASPECT, rng), 0.4, rng), 1.0, rng)
    expected, targets = mixup(one, labels, 1.0, rng)
    changed, found = augmented(batch, labels, switched(**STEPS), np.random.default_rng(2))
    assert np.array_equal(changed, expected)
    assert np.array_equal(found, targets)


def test_the_same_generator_gives_the_same_batch_and_another_one_another():
    batch, labels = drawn(8)
    every = switched(**STEPS)
    one, again, other = (augmented(batch, labels, every, np.random.default_rng(s)) for s in (3, 3, 4))
    assert np.array_equal(one[0], again[0])
    assert np.array_equal(one[1], again[1])
    assert not np.array_equal(one[0], other[0])


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_only_one_rectangle_of_the_allowed_size_is_erased(seed):
    batch, _ = drawn(6, seed)
    for before, after in zip(
        batch, erased(batch, 1.0, AREA, ASPECT, np.random.default_rng(seed)), strict=True
    ):
        rows, columns = np.nonzero(before != after)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        # Noise may hit upon what was there before.
        assert height * width - 2 <= len(rows) <= height * width
        # Sides are whole numbers: half a frame and half a band more or less.
        assert (height + 0.5) * (width + 0.5) >= AREA[0] * FRAMES * MELS
        assert (height - 0.5) * (width - 0.5) <= AREA[1] * FRAMES * MELS
        assert (height - 0.5) / FRAMES <= ASPECT * (width + 0.5) / MELS
        assert (width - 0.5) / MELS <= ASPECT * (height + 0.5) / FRAMES
        assert before.min() <= after.min()
        assert after.max() <= before.max()


def test_rectangles_are_large_and_small_tall_and_wide_and_anywhere():
    batch, _ = drawn(600)
    mask = batch != erased(batch, 1.0, AREA, ASPECT, np.random.default_rng(0))
    areas = mask.mean(axis=(1, 2))
    assert areas.min() < AREA[0] + 0.01
    assert areas.max() > AREA[1] - 0.01
    shape = mask.any(axis=2).mean(axis=1) / mask.any(axis=1).mean(axis=1)
    assert 0.4 < (shape > 1).mean() < 0.6
    assert mask.any(axis=(0, 1)).all()
    assert mask.any(axis=(0, 2)).all()


@settings(deadline=None)
@given(st.floats(0.05, 0.95), st.integers(0, 10**6))
def test_about_the_share_of_examples_is_erased_and_flipped(share, seed):
    batch, _ = drawn(1000, frames=12, mels=5)
    for changed in (
        erased(batch, share, (0.1, 0.3), 2.0, np.random.default_rng(seed)),
        flipped(batch, share, np.random.default_rng(seed)),
    ):
        assert (changed != batch).any(axis=(1, 2)).mean() == pytest.approx(share, abs=0.09)


def test_the_noise_of_a_rectangle_lies_anywhere_between_the_extremes_of_its_example():
    # One example is far louder than the other: each keeps to its own extremes.
    batch = np.stack([np.linspace(low, low + 4, FRAMES * MELS).reshape(FRAMES, MELS) for low in (0, 100)])
    batch = batch.astype(np.float32)
    changed = erased(batch, 1.0, AREA, ASPECT, np.random.default_rng(0))
    for low, before, after in zip((0, 100), batch, changed, strict=True):
        noise = after[before != after]
        assert low <= noise.min() < low + 0.5
        assert low + 3.5 < noise.max() <= low + 4


def test_digital_silence_stays_as_silent_when_it_is_erased():
    batch = np.full((3, FRAMES, MELS), -2.5, dtype=np.float32)
    assert np.array_equal(erased(batch, 1.0, AREA, ASPECT, np.random.default_rng(0)), batch)


@settings(deadline=None)
@given(st.integers(1, 60), st.floats(0, 1), st.integers(0, 10**6))
def test_a_moved_example_goes_on_with_its_edge_and_not_further_than_its_share(frames, share, seed):
    batch, _ = drawn(4, seed, frames, 3)
    reach = int(share * frames)
    for before, after in zip(batch, moved(batch, share, np.random.default_rng(seed)), strict=True):
        padded = np.pad(before, ((reach, reach), (0, 0)), mode="edge")
        places = [padded[start : start + frames] for start in range(2 * reach + 1)]
        assert any(np.array_equal(after, place) for place in places)


def test_every_shift_either_way_occurs_and_each_example_has_its_own():
    batch = np.broadcast_to(np.arange(10, dtype=np.float32)[:, None], (3000, 10, 2))
    middle = moved(batch, 0.4, np.random.default_rng(0))[:, 5, 0]
    values, counts = np.unique(middle, return_counts=True)
    assert values.tolist() == list(range(1, 10))
    assert counts.min() > 0.75 * 3000 / 9


def test_flipping_reverses_time_and_twice_is_nothing():
    batch, _ = drawn(5)
    once = flipped(batch, 1.0, np.random.default_rng(0))
    assert np.array_equal(once, batch[:, ::-1])
    assert np.array_equal(flipped(once, 1.0, np.random.default_rng(1)), batch)


@settings(deadline=None)
@given(st.floats(0.05, 5), st.integers(1, 12), st.integers(0, 10**6))
def test_mixup_blends_pairs_and_their_labels_by_the_same_weight(alpha, n, seed):
    batch, labels = drawn(n, seed, 6, 4)
    mixed, targets = mixup(batch, labels, alpha, np.random.default_rng(seed))
    assert np.allclose(targets.sum(axis=1), 1, atol=1e-6)
    assert targets.min() >= 0
    assert ((targets > 0).sum(axis=1) <= 2).all()
    # Every label is an example's own number, so the targets tell who was blended.
    assert np.allclose(mixed, np.tensordot(targets, batch, 1), atol=1e-5)


def test_the_weights_of_mixup_follow_alpha():
    batch, labels = drawn(4000, frames=1, mels=1)
    _, targets = mixup(batch, labels, 1.0, np.random.default_rng(0))
    counts, _ = np.histogram(np.diag(targets), bins=5, range=(0, 1))
    assert counts.min() > 700
    _, nearly_pure = mixup(batch, labels, 0.05, np.random.default_rng(0))
    own = np.diag(nearly_pure)
    assert (np.minimum(own, 1 - own) < 0.05).mean() > 0.8
