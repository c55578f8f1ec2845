"""The ring against the plainest thing that does the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_device.ring_buffer import Ring


@given(st.integers(1, 40), st.lists(st.integers(0, 40), max_size=60))
def test_a_ring_holds_the_last_rows_in_order_and_contiguous(length, writes):
    ring = Ring(length, (2,), fill=-1.0)
    plain = np.full((length, 2), -1.0, dtype=np.float32)
    value = 0
    for n in writes:
        n = min(n, length)
        rows = np.arange(value, value + 2 * n, dtype=np.float32).reshape(n, 2)
        value += 2 * n
        ring.write(rows)
        plain = np.concatenate([plain, rows])[-length:]
        assert np.array_equal(ring.read(), plain)
        assert ring.read().flags.c_contiguous


@given(st.integers(1, 20), st.lists(st.integers(1, 20), max_size=30))
def test_a_reset_ring_equals_a_new_one(length, writes):
    used, new = Ring(length, fill=3.0), Ring(length, fill=3.0)
    for n in writes:
        used.write(np.ones(min(n, length)))
    used.reset()
    assert np.array_equal(used.read(), new.read())
    for ring in (used, new):
        ring.write(np.arange(length // 2, dtype=np.float32))
    assert np.array_equal(used.read(), new.read())


def test_reading_does_not_copy_and_writing_does_not_allocate_rows():
    ring = Ring(16000)
    buffer = ring.read().base
    for _ in range(200):
        ring.write(np.ones(1600, dtype=np.float32))
        assert ring.read().base is buffer


def test_more_rows_than_the_ring_is_long_are_refused():
    with pytest.raises(ValueError, match="5 rows do not fit a ring of 4"):
        Ring(4).write(np.zeros(5))
