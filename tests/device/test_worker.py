"""Work beside the listening: in order, never in its way, and nothing lost in silence."""

from __future__ import annotations

import threading

import pytest

from kws_device import InputError
from kws_device.sinks.rate_limit import RateLimitedNotes
from kws_device.sinks.worker import Worker

LONG_S = 30.0


@pytest.fixture
def told():
    return []


@pytest.fixture
def background(told):
    made = Worker("cards", RateLimitedNotes(told.append, every_s=0), capacity=3)
    yield made
    made.close(LONG_S)


def test_jobs_run_in_order_and_all_of_them_before_the_end(background):
    done = []
    for i in range(3):
        assert background.submit(lambda i=i: done.append(i))
    assert background.close(LONG_S)
    assert done == [0, 1, 2]


def test_a_full_queue_drops_the_job_and_says_so_but_never_waits(background, told):
    go, began = threading.Event(), threading.Event()
    done = []

    def hang():
        began.set()
        go.wait(LONG_S)

    background.submit(hang)
    assert began.wait(LONG_S)
    accepted = [background.submit(lambda i=i: done.append(i)) for i in range(5)]
    assert accepted == [True, True, True, False, False]
    assert told == ["cards: too slow, so one was left out"] * 2
    go.set()
    assert background.close(LONG_S)
    assert done == [0, 1, 2]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InputError("the folder is gone; put it back"), "cards: the folder is gone; put it back"),
        (OSError(28, "No space left on device"), "cards: failed (No space left on device)"),
        (OSError("odd"), "cards: failed (odd)"),
        (KeyError("bug"), "cards: failed (KeyError('bug'))"),
    ],
)
def test_a_job_that_fails_is_told_and_the_next_one_runs(error, words, background, told):
    done = []

    def fail():
        raise error

    background.submit(fail)
    background.submit(lambda: done.append("next"))
    assert background.close(LONG_S)
    assert told == [words]
    assert done == ["next"]


def test_closing_does_not_wait_for_a_job_that_hangs_and_tells_what_it_leaves_out(background, told):
    go, began = threading.Event(), threading.Event()
    done = []

    def hang():
        began.set()
        go.wait(LONG_S)

    background.submit(hang)
    assert began.wait(LONG_S)
    background.submit(lambda: done.append("late"))
    assert not background.close(0.01)
    assert told == ["cards: too slow, so the last 1 were left out"]
    go.set()
    assert background.close(LONG_S)
    assert done == []


def test_after_the_end_nothing_is_taken(background):
    assert background.close(LONG_S)
    assert not background.submit(lambda: None)
