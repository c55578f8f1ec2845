"""Lost sound told from late sound and from clocks that differ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_device.sources.sample_clock import SampleClock

BLOCK_S = 0.02


def run(arrivals, flagged=()):
    """Seconds reported lost, by block; each loss is filled, as the microphone does."""
    clock = SampleClock(arrivals[0] - BLOCK_S)
    lost = []
    for index, at_s in enumerate(arrivals):
        lost_s = clock.arrived(at_s, BLOCK_S, index in flagged)
        clock.filled(lost_s)
        lost.append(lost_s)
    return np.array(lost)


def on_time(blocks, drift=0.0):
    return np.arange(1, blocks + 1) * BLOCK_S * (1 + drift)


@settings(deadline=None, max_examples=30)
@given(st.floats(-1e-3, 1e-3), st.integers(0, 2**31))
def test_neither_jitter_nor_a_clock_that_is_off_is_a_loss(drift, seed):
    rng = np.random.default_rng(seed)
    late = rng.exponential(0.004, 6000) * (rng.random(6000) < 0.3)
    arrivals = np.maximum.accumulate(on_time(6000, drift) + late)
    assert run(arrivals).sum() == 0


@settings(deadline=None, max_examples=30)
@given(st.floats(0.05, 1.9), st.integers(200, 900))
def test_a_stall_that_is_made_up_for_is_no_loss(stall_s, at):
    arrivals = on_time(1500)
    arrivals[at:] = np.maximum(arrivals[at:], arrivals[at - 1] + stall_s)
    assert run(arrivals).sum() == 0


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 500), st.integers(200, 900), st.floats(-1e-3, 1e-3))
def test_what_a_driver_drops_silently_is_measured(dropped, at, drift):
    arrivals = np.delete(on_time(2500, drift), slice(at, at + dropped))
    lost = run(arrivals)
    assert lost.sum() == pytest.approx(dropped * BLOCK_S, rel=0.01, abs=0.02)
    # Within two spans of three seconds, and never before it happened.
    assert lost[:at].sum() == 0
    assert lost[at + 310 :].sum() == 0


def test_small_losses_that_never_end_add_up():
    arrivals = np.delete(on_time(20_000), slice(50, None, 100))
    dropped_s = (20_000 - len(arrivals)) * BLOCK_S
    assert run(arrivals).sum() == pytest.approx(dropped_s, rel=0.3)


def test_a_flagged_loss_is_measured_at_once_and_is_a_block_at_least():
    arrivals = np.delete(on_time(900), slice(400, 410))
    lost = run(arrivals, flagged={400})
    assert lost[400] == pytest.approx(10 * BLOCK_S)
    assert lost.sum() == lost[400]
    assert run(on_time(900), flagged={400})[400] == BLOCK_S


def test_an_absence_is_missing_in_step_with_the_clock_and_joins_without_a_seam():
    clock = SampleClock(0.0)
    for index in range(500):
        assert clock.arrived((index + 1) * BLOCK_S, BLOCK_S) == 0
    silence_s = 0.0
    for now_s in np.arange(10.1, 15.0, 0.1):
        missing_s = clock.missing(now_s)
        clock.filled(missing_s)
        silence_s += missing_s
        assert silence_s == pytest.approx(now_s - 10.0)
    back_s = clock.arrived(15.33, BLOCK_S)
    clock.filled(back_s)
    assert silence_s + back_s == pytest.approx(5.33 - BLOCK_S)
    assert sum(clock.arrived(15.33 + (index + 1) * BLOCK_S, BLOCK_S) for index in range(500)) == 0


def test_a_year_of_blocks_does_not_drift():
    """In blocks of a minute, so that the test ends: what adds up is the rounding of each block."""
    clock = SampleClock(0.0)
    minutes = 365 * 24 * 60
    assert sum(clock.arrived((minute + 1) * 60.0, 60.0) for minute in range(minutes)) == 0
