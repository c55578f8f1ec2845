"""Integers for real numbers, and scores for logits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_device import InputError
from kws_device.model.tensors import Output, Quantiser, scores_of, softmax_of

WHERE = "some.tflite: head keyword"
SCALES = st.floats(1e-3, 2.0)


def detail(scale, zero_point, dtype=np.int8, labels=2):
    return {"index": 0, "dtype": dtype, "quantization": (scale, zero_point), "shape": np.array([1, labels])}


@given(SCALES, st.integers(-128, 127), st.lists(st.floats(-50, 50), min_size=1, max_size=20))
def test_a_real_number_comes_back_within_half_a_step_or_at_the_limit(scale, zero_point, numbers):
    quantiser = Quantiser(detail(scale, zero_point))
    real = np.array(numbers, np.float32)
    integers = quantiser.quantise(real)
    assert integers.dtype == np.int8
    reachable = np.clip(real, (-128 - zero_point) * scale, (127 - zero_point) * scale)
    assert quantiser.dequantise(integers) == pytest.approx(reachable, abs=scale * 0.51 + 1e-4)


@given(SCALES, st.integers(-128, 127), st.lists(st.integers(-128, 127), min_size=2, max_size=20))
def test_scores_of_integer_logits_are_their_softmax(scale, zero_point, integers):
    values = np.array(integers, np.int8)
    scores = Output(detail(scale, zero_point, labels=len(integers)), True, WHERE).scores(values)
    wanted = softmax_of(((values.astype(np.float64) - zero_point) * scale).astype(np.float64))
    assert scores.dtype == np.float32
    assert scores.sum() == pytest.approx(1, abs=1e-6)
    assert scores == pytest.approx(wanted, abs=1e-6)


def test_a_float_tensor_holds_the_numbers_as_they_are():
    real = np.array([0.1, -3.0], np.float32)
    assert Quantiser(detail(0.0, 0, np.float32)).quantise(real) is real
    assert Output(detail(0.0, 0, np.float32), False, WHERE).scores(real) is real
    assert Output(detail(0.0, 0, np.float32), True, WHERE).scores(real) == pytest.approx(softmax_of(real))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("softmax", [True, False])
def test_values_that_are_not_finite_are_refused(bad, softmax):
    with pytest.raises(InputError, match=r"some\.tflite: head keyword gives values that are not finite"):
        scores_of(np.array([0.5, bad], np.float32), softmax, WHERE)
