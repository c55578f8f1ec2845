"""Near misses: what counts as one, and the sound that is saved of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from helpers import one_line_refusal
from hypothesis import given
from hypothesis import strategies as st

from kws_device import AudioFile, Decision, Event, InputError, Spotter, audio_files
from kws_device.model import model_file
from kws_device.near_misses import NearMisses
from kws_device.session import Session
from kws_device.sinks import Clips, Sink

RATE = 16000
STEP_S = 0.1
VERIFIED = model_file.read(model_file.find(None)).manifest
FIRST = VERIFIED.without_verifier()
SURE = 0.9995
"""A threshold that no word of the demo exceeds."""
THRESHOLD = 0.9
"""Scores from 0.31 on are near it: log-odds -0.8 and 2.2."""
FOLLOW = 5


def with_threshold(manifest):
    thresholds = dict.fromkeys(manifest.keywords, THRESHOLD)
    return replace(manifest, decoder=replace(manifest.decoder, thresholds=thresholds))


def verified(*scores, word="yes"):
    """Decisions at which the verifier finishes with these scores; None: with none."""
    return [
        Decision(
            round((i + 1) * STEP_S, 3),
            {"scene": np.eye(10)[0]},
            Event(word, p, 0.0, 1.0, None, None) if p is not None and p > THRESHOLD else None,
            {} if p is None else {word: p},
        )
        for i, p in enumerate(scores)
    ]


def smoothed(*values):
    """Decisions of a model without a verifier; `yes` leads its head from 0.5 on."""
    decisions = []
    fired = False
    for i, p in enumerate(values):
        head = np.full(10, (1 - p) / 9)
        head[0] = p
        new = p > THRESHOLD and not fired
        fired = p > THRESHOLD
        event = Event("yes", p, 0.0, 1.0, None, None) if new else None
        decisions.append(
            Decision(round((i + 1) * STEP_S, 3), {"keyword": head, "scene": np.eye(10)[0]}, event)
        )
    return decisions


def found(manifest, decisions):
    """(decision at which it is told, keyword, score, end of its window) of each near miss."""
    misses = NearMisses(with_threshold(manifest), 0.5)
    return [
        (i, miss.keyword, miss.score, miss.end_s)
        for i, decision in enumerate(decisions)
        for miss in misses.take(decision)
    ]


def test_a_refused_candidate_near_the_threshold_is_told_half_a_second_later():
    decisions = verified(None, 0.5, *[None] * 10)
    assert found(VERIFIED, decisions) == [(1 + FOLLOW, "yes", 0.5, 0.2)]


@pytest.mark.parametrize("score", [0.0, 0.1, 0.3, 0.91, 1.0])
def test_neither_a_clear_refusal_nor_an_event_is_a_near_miss(score):
    assert found(VERIFIED, verified(score, *[None] * 10)) == []


def test_a_word_that_fires_soon_after_is_no_near_miss():
    assert found(VERIFIED, verified(0.5, None, None, 0.95, *[None] * 10)) == []


def test_of_several_scores_close_together_the_largest_is_told_once():
    decisions = verified(0.5, None, 0.7, 0.6, *[None] * 10)
    assert found(VERIFIED, decisions) == [(2 + FOLLOW, "yes", 0.7, 0.3)]


def test_a_second_time_is_a_second_near_miss():
    decisions = verified(0.5, *[None] * 10, 0.6, *[None] * 10)
    assert [miss[2] for miss in found(VERIFIED, decisions)] == [0.5, 0.6]


def test_without_a_verifier_the_peak_of_the_smoothed_score_counts():
    decisions = smoothed(0.1, 0.5, 0.7, 0.8, 0.6, 0.5, 0.4, 0.4, 0.1, 0.1, 0.1, 0.1)
    assert found(FIRST, decisions) == [(3 + FOLLOW, "yes", pytest.approx(0.8), 0.4)]


def test_the_rise_and_the_fall_of_an_event_are_no_near_misses():
    assert found(FIRST, smoothed(0.1, 0.5, 0.8, 0.95, 0.95, 0.8, 0.7, 0.6, *[0.5] * 10, *[0.1] * 10)) == []


def test_a_score_that_stays_near_is_one_near_miss():
    assert len(found(FIRST, smoothed(*[0.7] * 50))) == 1


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=60))
def test_never_two_within_the_time_that_follows_and_never_above_the_threshold(scores):
    told = found(VERIFIED, verified(*scores, *[None] * 6))
    assert all(0.3 < score <= THRESHOLD for _, _, score, _ in told)
    ends = [end for *_, end in told]
    assert all(b - a > 0.5 for a, b in pairwise(ends))


class Quiet(Sink):
    """Tells nobody anything."""


def test_the_sound_of_a_near_miss_has_half_a_second_before_and_after_the_window(demo, tmp_path):
    """Thresholds so high that no word fires: some words are near misses, and none is an event."""
    path = demo / "demo.flac"
    told = []

    def load():
        return Spotter.load(thresholds=dict.fromkeys(VERIFIED.keywords, SURE))

    misses, at = NearMisses(load().manifest, 0.5), []
    for decision in load().decisions(AudioFile(path)):
        at += [(miss.keyword, miss.score, miss.end_s) for miss in misses.take(decision)]
    assert len(at) >= 3
    Session(load, Quiet(), [Clips(tmp_path, told.append, near=True)]).run([AudioFile(path)])
    saved = sorted(tmp_path.iterdir())
    assert [p.name.split("_", 1)[1] for p in saved] == [f"{w}_{score:.2f}.near.wav" for w, score, _ in at]
    sound = audio_files.read(path, RATE)
    window = VERIFIED.seen_ms / 1000
    for clip, (_, _, end_s) in zip(saved, at, strict=True):
        heard, rate = soundfile.read(clip, dtype="float32")
        first, last = round((end_s - window - 0.5) * RATE), round((end_s + 0.5) * RATE)
        expected = np.concatenate([np.zeros(max(0, -first), np.float32), sound[max(0, first) : last]])
        assert rate == RATE
        assert np.allclose(heard, expected, atol=1 / 32768)
    assert told == []


def test_without_near_nothing_is_saved_of_near_misses(demo, tmp_path):
    def load():
        return Spotter.load(thresholds=dict.fromkeys(VERIFIED.keywords, SURE))

    Session(load, Quiet(), [Clips(tmp_path, print)]).run([AudioFile(demo / "demo.flac")])
    assert list(tmp_path.iterdir()) == []


def test_a_new_source_begins_without_the_sound_of_the_one_before(demo, tmp_path):
    def load():
        return Spotter.load(thresholds=dict.fromkeys(VERIFIED.keywords, SURE))

    for folder, count in (("once", 1), ("twice", 2)):
        sources = [AudioFile(demo / "demo.flac") for _ in range(count)]
        Session(load, Quiet(), [Clips(tmp_path / folder, print, near=True)]).run(sources)
    once, twice = (
        [path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in ("once", "twice")
    )
    assert twice == once + once


def test_near_needs_a_folder(command):
    result = command("kws-listen", "--near", "--file", "x.wav", check=False)
    one_line_refusal(result, "--near needs --save-clips DIR")


@pytest.mark.parametrize("megabytes", [0.0, -1.0, float("nan")])
def test_to_keep_no_bytes_is_refused(megabytes, tmp_path):
    with pytest.raises(InputError, match=r"--keep-mb .*: must be more than 0"):
        Clips(tmp_path, print, keep_mb=megabytes)
