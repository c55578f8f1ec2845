"""The study's mixing scheme: each of its five rules as the report words it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_training.signal.mixing import draw_weights, fit_batch, fit_frames, mirrored, mix

SHARES = st.floats(0, 1, allow_nan=False)


def numbered(n, t, mels=3):
    """Spectrograms of which every frame tells its example and its place: 1000 example + frame."""
    frames = 1000 * np.arange(n)[:, None, None] + np.arange(t)[None, :, None]
    return (frames + np.zeros(mels)).astype(np.float32)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 300))
def test_a_shorter_batch_is_continued_as_numpy_reflects(count, length):
    batch = np.random.default_rng(count).standard_normal((count, 2, 3)).astype(np.float32)
    padded = np.pad(batch, ((0, max(0, length - count)), (0, 0), (0, 0)), mode="reflect")
    assert np.array_equal(fit_batch(batch, length), padded[:length])


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 60), st.integers(0, 60))
def test_reflection_goes_on_at_both_ends_however_far(count, before, after):
    index = np.arange(-before, count + after)
    assert np.array_equal(mirrored(index, count), np.pad(np.arange(count), (before, after), mode="reflect"))


@settings(deadline=None)
@given(SHARES, SHARES, SHARES, st.integers(0, 10**6))
def test_documented_weights_keep_their_sum_and_as_run_both_get_the_same_k(first, second, randomness, seed):
    for opposite in (True, False):
        a, b = draw_weights((first, second), randomness, opposite, np.random.default_rng(seed))
        k = a - first
        assert abs(k) <= randomness + 1e-12
        expected = first + second if opposite else first + second + 2 * k
        assert a + b == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(SHARES, SHARES, st.booleans(), st.integers(0, 10**6))
def test_without_randomness_the_weights_are_the_ratio_to_the_last_bit(first, second, opposite, seed):
    weights = draw_weights((first, second), 0.0, opposite, np.random.default_rng(seed))
    assert weights == (first, second)


@pytest.mark.parametrize("opposite", [True, False])
def test_k_is_as_likely_anywhere_between_its_ends(opposite):
    rng = np.random.default_rng(0)
    k = np.array([draw_weights((0.6, 0.4), 0.2, opposite, rng)[0] - 0.6 for _ in range(4000)])
    counts, _ = np.histogram(k, bins=8, range=(-0.2, 0.2))
    assert counts.sum() == 4000
    assert counts.min() > 400


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40), st.integers(0, 10**6))
def test_a_longer_example_is_cut_to_a_stretch_of_itself_and_a_shorter_one_is_mirrored(n, t, frames, seed):
    batch = numbered(n, t)
    fitted = fit_frames(batch, frames, np.random.default_rng(seed))
    assert fitted.shape == (n, frames, 3)
    assert fitted.dtype == np.float32
    for example, found in zip(batch, fitted, strict=True):
        if t >= frames:
            places = [example[start : start + frames] for start in range(t - frames + 1)]
        else:
            left = frames - t
            places = [
                np.pad(example, ((before, left - before), (0, 0)), mode="reflect")
                for before in range(left + 1)
            ]
        assert any(np.array_equal(found, place) for place in places)


@pytest.mark.parametrize(("t", "frames"), [(9, 4), (4, 9)])
def test_every_place_occurs_and_the_examples_of_a_batch_have_their_own(t, frames):
    fitted = fit_frames(numbered(3000, t), frames, np.random.default_rng(0))
    first = fitted[:, :, 0] % 1000
    # Where the example begins in the result, or the result in the example.
    places = first[:, 0] if t > frames else first.argmin(axis=1)
    _, counts = np.unique(places, return_counts=True)
    assert len(counts) == abs(t - frames) + 1
    assert counts.min() > 0.8 * 3000 / len(counts)


def test_an_example_of_the_right_length_stays_as_it_is():
    batch = numbered(4, 7)
    assert np.array_equal(fit_frames(batch, 7, np.random.default_rng(0)), batch)


def test_fitting_leaves_the_batch_as_it_was():
    batch = numbered(4, 7)
    batch.flags.writeable = False
    for frames in (3, 7, 12):
        fit_frames(batch, frames, np.random.default_rng(0))
        fit_batch(batch, frames)
    assert np.array_equal(batch, numbered(4, 7))


@settings(deadline=None)
@given(st.floats(-1, 2), st.floats(-1, 2), st.integers(0, 10**6))
def test_a_mixture_is_the_weighted_sum(first, second, seed):
    a, b, c = np.random.default_rng(seed).standard_normal((3, 2, 5, 4)).astype(np.float32)
    mixed = mix(a, b, (first, second))
    assert mixed.dtype == np.float32
    assert np.allclose(mixed, first * a.astype(np.float64) + second * b.astype(np.float64), atol=1e-5)
    apart = mix(a, b, (first, second)) + mix(c, b, (first, 0.0))
    assert np.allclose(mix(a + c, b, (first, second)), apart, atol=1e-5)
    assert np.array_equal(mix(a, b, (1.0, 0.0)), a)
    assert np.array_equal(mix(a, b, (0.0, 1.0)), b)


def cross_entropy(logits, labels):
    """By the definition; the labels need not sum to 1."""
    return -(labels * (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))).sum(axis=1)


@settings(deadline=None)
@given(st.floats(-0.2, 1.4), st.integers(0, 10**6))
def test_scaling_labels_is_scaling_the_loss_and_its_gradient(weight, seed):
    """Why a weight in front of the loss does what the study did with labels."""
    rng = np.random.default_rng(seed)
    logits, labels = rng.standard_normal((4, 6)), rng.dirichlet(np.ones(6), 4)
    assert np.allclose(cross_entropy(logits, weight * labels), weight * cross_entropy(logits, labels))
    step = 1e-6
    for i in range(6):
        nudge = step * np.eye(6)[i]
        scaled, plain = (
            (cross_entropy(logits + nudge, y) - cross_entropy(logits - nudge, y)) / (2 * step)
            for y in (weight * labels, labels)
        )
        softmax = np.exp(logits[:, i]) / np.exp(logits).sum(axis=1)
        assert np.allclose(scaled, weight * plain, atol=1e-7)
        assert np.allclose(scaled, weight * (softmax - labels[:, i]), atol=1e-7)
