"""Generated rooms: what the model of reverberation promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_training.signal.reverb import in_room, room_response


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_direct_sound_comes_first_and_the_echo_dies_away(seed):
    response = room_response(16000, np.random.default_rng(seed))
    tail = np.square(response[1:], dtype=np.float64)
    assert response[0] == 1
    assert not response[1:32].any()  # two milliseconds pass before the first reflection
    assert -12.1 < 10 * np.log10(tail.sum()) < 3.1
    quarters = tail[: 4 * (len(tail) // 4)].reshape(4, -1).sum(axis=1)
    assert (np.diff(quarters) < 0).all()


def test_the_same_generator_builds_the_same_room():
    one, again, other = (room_response(16000, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_hearing_in_a_room_is_the_convolution_as_loud_as_before():
    rng = np.random.default_rng(0)
    clip = rng.standard_normal(5000).astype(np.float32)
    response = room_response(16000, rng)
    wet = np.convolve(clip, response)[: len(clip)]
    heard = in_room(clip, response)
    assert np.allclose(heard / heard.std(), wet / wet.std(), atol=1e-4)
    assert np.sum(heard**2) == pytest.approx(np.sum(clip**2), rel=1e-4)
    assert not in_room(np.zeros(100, dtype=np.float32), response).any()
