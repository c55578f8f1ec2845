"""Levels, cuts and mixtures: the definitions behind every figure."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import level_dbfs
from hypothesis import given
from hypothesis import strategies as st

from kws_device import InputError
from kws_training.data.segments import audible, centred, power, random_crop, whole_windows
from kws_training.evaluation.eval_sets import Item, waveform_set

LENGTH = 16000


def noise(n, seed=0, level=0.1):
    return (level * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def item(samples, label="yes"):
    return Item("clip", "speaker", label, samples)


@given(st.integers(0, 40000))
def test_a_clip_is_centred_in_zeros_or_cut_centrally(n):
    clip = np.arange(1, n + 1, dtype=np.float32)
    window = centred(clip, LENGTH)
    assert len(window) == LENGTH
    kept = window[window > 0]
    assert len(kept) == min(n, LENGTH)
    if n <= LENGTH:
        assert np.array_equal(kept, clip)
        before, after = np.argmax(window > 0) if n else 0, np.argmax(window[::-1] > 0) if n else 0
        assert after - before in (0, 1)
    else:
        assert kept[0] - 1 == (n - LENGTH) // 2


@given(st.integers(0, 100_000))
def test_whole_windows_follow_each_other(n):
    recording = np.arange(1, n + 1, dtype=np.float32)
    windows = whole_windows(recording, LENGTH)
    assert len(windows) == max(1, n // LENGTH)
    if n >= LENGTH:
        assert np.array_equal(windows.ravel(), recording[: len(windows) * LENGTH])


def test_levels_are_in_decibels_of_full_scale():
    assert level_dbfs(np.ones(100)) == 0
    assert level_dbfs(0.1 * np.ones(100)) == pytest.approx(-20)
    assert level_dbfs(np.sin(np.arange(16000))) == pytest.approx(-3.01, abs=0.01)
    assert level_dbfs(np.zeros(100)) == level_dbfs(np.zeros(0)) == -np.inf


def test_windows_below_minus_sixty_are_not_audible():
    windows = np.stack([noise(LENGTH, level=10 ** (db / 20)) for db in (-59, -61, -40)])
    assert audible(windows).tolist() == [True, False, True]


def test_random_crops_avoid_silence_and_say_so_where_there_is_nothing_else():
    recording = np.concatenate([np.zeros(10 * LENGTH, dtype=np.float32), noise(2 * LENGTH)])
    for seed in range(20):
        assert level_dbfs(random_crop(recording, LENGTH, np.random.default_rng(seed))) >= -60
    assert random_crop(np.zeros(5 * LENGTH, dtype=np.float32), LENGTH, np.random.default_rng(0)) is None


@given(st.floats(-20, 40), st.integers(2000, 30000), st.integers(0, 100))
def test_a_mixture_has_the_signal_to_noise_ratio_that_it_is_called(snr_db, n, seed):
    speech, background = noise(n, seed), noise(60000, 1, 0.03)
    used = centred(speech, min(n, LENGTH))
    (mixed,) = waveform_set([item(used)], [(background, "rain")], "scenes", snr_db, LENGTH, seed).words
    added = mixed.samples.astype(np.float64) - centred(used, LENGTH)
    assert 10 * np.log10(power(used) / power(added)) == pytest.approx(snr_db, abs=0.01)


def test_silence_counts_as_speech_at_minus_twenty_six():
    quiet = noise(LENGTH, level=1e-4)
    word = item(quiet, "_silence_")
    (mixed,) = waveform_set([word], [(noise(60000), None)], "noise", 10.0, LENGTH, 0).words
    assert level_dbfs(mixed.samples - quiet) == pytest.approx(-36, abs=0.01)


def test_a_sum_is_not_clipped():
    loud = item(noise(LENGTH, level=2.0))
    (mixed,) = waveform_set([loud], [(noise(60000), "rain")], "scenes", 0.0, LENGTH, 0).words
    assert np.abs(mixed.samples).max() > 2


def test_mixtures_repeat_with_their_seed_and_differ_with_another():
    words, backgrounds = [item(noise(9000, i)) for i in range(5)], [(noise(90000, 9), "rain")]
    one, again, other = (waveform_set(words, backgrounds, "scenes", 5.0, LENGTH, seed) for seed in (1, 1, 2))
    for a, b, c in zip(one.words, again.words, other.words, strict=True):
        assert np.array_equal(a.samples, b.samples)
        assert not np.array_equal(a.samples, c.samples)


def test_backgrounds_that_hold_only_silence_are_refused():
    with pytest.raises(InputError, match="noise: only silence"):
        waveform_set(
            [item(noise(9000))], [(np.zeros(50000, dtype=np.float32), None)], "noise", 5.0, LENGTH, 0
        )
