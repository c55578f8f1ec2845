"""The cyclic learning rate: a triangle for ever, also after a checkpoint."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_training.schemes.study.learning_rate import Triangular

LOW, HIGH = 7e-5, 7e-4


def rate(schedule, step):
    return float(keras.ops.convert_to_numpy(schedule(step)))


def test_the_rate_rises_to_its_highest_in_half_a_cycle_and_falls_back_in_as_many_steps():
    schedule = Triangular(LOW, HIGH, 100)
    steps = {0: LOW, 25: LOW + (HIGH - LOW) / 4, 50: (LOW + HIGH) / 2, 100: HIGH, 150: (LOW + HIGH) / 2}
    for step, expected in {**steps, 200: LOW, 300: HIGH, 399: LOW + (HIGH - LOW) / 100}.items():
        assert rate(schedule, step) == pytest.approx(expected, rel=1e-4), step


@settings(deadline=None)
@given(st.floats(1, 3000), st.integers(0, 100_000))
def test_it_is_a_triangle_at_every_step(half_cycle, step):
    expected = np.interp(step % (2 * half_cycle), [0, half_cycle, 2 * half_cycle], [LOW, HIGH, LOW])
    # float32 counts the cycles: so many digits are left for the place within one.
    assert rate(Triangular(LOW, HIGH, half_cycle), step) == pytest.approx(
        expected, abs=2e-7 * (HIGH - LOW) * (1 + step / half_cycle) + 1e-9
    )


@settings(deadline=None)
@given(st.integers(1, 500), st.integers(0, 2000), st.integers(0, 20))
def test_it_repeats_itself(half_cycle, step, cycles):
    schedule = Triangular(LOW, HIGH, half_cycle)
    later = rate(schedule, step + 2 * half_cycle * cycles)
    assert later == pytest.approx(rate(schedule, step), abs=3e-7)
    assert LOW * 0.999 <= later <= HIGH * 1.001


def test_it_comes_back_from_its_serialised_form():
    schedule = Triangular(LOW, HIGH, 12.5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert isinstance(again, Triangular)
    assert again.get_config() == schedule.get_config() == {"low": LOW, "high": HIGH, "half_cycle": 12.5}


def test_an_optimizer_in_a_checkpoint_goes_on_where_it_stood(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(keras.optimizers.Adam(Triangular(LOW, HIGH, 4)), loss="mse")
    for _ in range(3):
        model.train_on_batch(np.ones((2, 2), np.float32), np.ones((2, 1), np.float32))
    model.save(tmp_path / "checkpoint.keras")
    again = keras.models.load_model(tmp_path / "checkpoint.keras", safe_mode=True)
    assert int(again.optimizer.iterations) == 3
    found = float(keras.ops.convert_to_numpy(again.optimizer.learning_rate))
    assert found == pytest.approx(LOW + 0.75 * (HIGH - LOW), rel=1e-5)
