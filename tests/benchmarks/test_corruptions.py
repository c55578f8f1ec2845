"""What microphones and rooms do to a window of sound in `kws-bench robustness`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_benchmarks.robustness.corruptions import BAND_HZ, changes, louder, through_band

RATE = 16000
SOUND = (0.05 * np.random.default_rng(1).standard_normal(RATE)).astype(np.float32)


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples)))


def tone(hz):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE)).astype(np.float32)


@pytest.mark.parametrize("change", changes(RATE), ids=lambda change: change.name)
def test_a_change_keeps_the_shape_and_repeats_with_its_generator(change):
    first, again = (change.apply(SOUND, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.shape == SOUND.shape
    assert first.dtype == np.float32
    assert not np.array_equal(first, SOUND)


def test_louder_is_cut_off_at_full_scale_and_quieter_is_not():
    assert level_db(louder(SOUND, -20)) == pytest.approx(level_db(SOUND) - 20, abs=0.01)
    assert np.abs(louder(SOUND, 20)).max() == 1
    quiet = SOUND / 20
    assert level_db(louder(quiet, 20)) == pytest.approx(level_db(quiet) + 20, abs=0.01)


@pytest.mark.parametrize(
    ("hz", "response_db"), [(1000, 0), (BAND_HZ[0], -3.01), (BAND_HZ[1], -3.01), (150, -24.1), (6800, -24.1)]
)
def test_the_band_is_that_of_a_butterworth_filter(hz, response_db):
    assert level_db(through_band(tone(hz), BAND_HZ, RATE)) - level_db(tone(hz)) == pytest.approx(
        response_db, abs=0.25
    )


def test_a_band_adds_no_delay():
    click = np.zeros(RATE, np.float32)
    click[8000] = 1
    assert np.abs(through_band(click, BAND_HZ, RATE)).argmax() == 8000


@given(st.integers(0, 2**32))
def test_a_word_moves_no_further_than_it_is_said_to(seed):
    click = np.zeros(RATE, np.float32)
    click[8000] = 1
    for change in changes(RATE):
        if change.kind == "shift":
            moved = change.apply(click, np.random.default_rng(seed)).argmax() - 8000
            assert abs(moved) <= change.values["shift_ms"] * RATE / 1000


def test_rooms_differ_from_window_to_window_and_keep_the_level():
    (room,) = (change for change in changes(RATE) if change.kind == "room")
    one, other = (room.apply(SOUND, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.allclose(one, other)
    assert level_db(one) == pytest.approx(level_db(SOUND), abs=0.01)
