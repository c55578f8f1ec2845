"""A fault that stays is told, and does not flood."""

from __future__ import annotations

from kws_device.sinks.rate_limit import RateLimitedNotes


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


def test_the_same_kind_of_note_is_told_once_a_while_and_then_how_many_there_were():
    told, clock = [], Clock()
    notes = RateLimitedNotes(told.append, every_s=60, clock=clock)
    for second in range(130):
        clock.now_s = 1000.0 + second
        notes("full", f"disk full at {second}")
    assert told == [
        "disk full at 0",
        "disk full at 60 (59 such notes withheld)",
        "disk full at 120 (59 such notes withheld)",
    ]


def test_another_kind_is_told_at_once():
    told = []
    notes = RateLimitedNotes(told.append, every_s=60, clock=Clock())
    for kind in ("full", "full", "gone"):
        notes(kind, kind)
    assert told == ["full", "gone"]


def test_a_note_after_a_quiet_while_is_told_as_it_is():
    told, clock = [], Clock()
    notes = RateLimitedNotes(told.append, every_s=60, clock=clock)
    notes("gone", "gone")
    clock.now_s += 3600
    notes("gone", "gone again")
    assert told == ["gone", "gone again"]


def test_a_note_that_fails_to_be_told_leaves_the_next_one_be():
    told = []

    def note(text):
        told.append(text)
        if len(told) == 1:
            raise OSError

    notes = RateLimitedNotes(note, every_s=60, clock=Clock())
    try:
        notes("full", "one")
    except OSError:
        notes("gone", "two")
    assert told == ["one", "two"]
