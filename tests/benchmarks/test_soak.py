"""kws-bench soak: a sound spotter passes, and each way to go wrong shows in its own figure."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from helpers import one_line_refusal

from kws_benchmarks.soak.endurance import soak
from kws_benchmarks.soak.ledger import Expected, Ledger
from kws_benchmarks.soak.sound import Loss, Rounds, compose_round, draw_losses
from kws_device import Event, InputError, Spotter, trial
from kws_device.model import model_file

RATE = 16000
HOURS = 0.1


@pytest.fixture(scope="module")
def manifest(shipped):
    return model_file.read(shipped).manifest


def faulty(change):
    """Makes spotters whose decisions go wrong late, when the two minutes of reference are over.

    `change` gets each decision and returns those that are told instead.
    """

    class Faulty(Spotter):
        def decisions_in(self, samples):
            for decision in super().decisions_in(samples):
                yield from change(decision)

    return Faulty.of


def late(decision):
    return decision.end_s > 130


def test_a_sound_spotter_loses_nothing_and_stays_on_time(command):
    result = command("kws-bench", "soak", "--hours", HOURS, "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["hash"] == Spotter.load().manifest.hash
    assert report["hours"] == HOURS
    assert (report["reloads"], report["reloads_refused"], report["reloads_wrong"]) == (2, 3, 0)
    assert report["events_expected"] == report["events_heard"] > 60
    assert report["events_lost"] == report["events_strange"] == 0
    assert report["drift_s"] == 0
    assert report["faults"] > 0
    assert report["lost_s"] > 0
    assert report["cpu_ms_per_audio_s"] > 0
    assert len(report["memory_mb"]) == 6
    assert max(report["memory_mb"]) <= report["rss_mb"] + 0.01
    assert "events:" in result.stderr


def test_the_same_seed_soaks_in_the_same_way():
    one, again = (soak(None, 2 / 60, seed=5) for _ in range(2))
    timing = {"cpu_s", "cpu_ms_per_audio_s", "rss_mb", "memory_mb", "memory_growth_mb"}
    assert {k: v for k, v in one.items() if k not in timing} == {
        k: v for k, v in again.items() if k not in timing
    }


def test_one_event_that_is_lost_is_found():
    dropped = []

    def change(decision):
        if late(decision) and decision.event is not None and not dropped:
            dropped.append(decision)
            decision = replace(decision, event=None)
        return [decision]

    report = soak(None, HOURS, 1, faulty(change))
    assert report["events_lost"] == 1
    assert report["events_heard"] == report["events_expected"] - 1


def test_one_event_that_nobody_said_is_found():
    heard = []

    def change(decision):
        if late(decision) and heard:
            decision = replace(decision, event=replace(heard[-1], end_s=decision.end_s + 1.5))
            heard.clear()
        elif not late(decision) and decision.event is not None:
            heard.append(decision.event)
        return [decision]

    assert soak(None, HOURS, 1, faulty(change))["events_strange"] >= 1


def test_a_spotter_that_stops_has_lost_all_that_follows():
    report = soak(None, HOURS, 1, faulty(lambda decision: [] if late(decision) else [decision]))
    assert report["events_lost"] > 15


def test_a_leak_is_found():
    kept = []

    def change(decision):
        kept.append(np.ones(4000))
        return [decision]

    assert soak(None, HOURS, 1, faulty(change))["memory_growth_mb"] > 20


def test_sound_that_is_swallowed_shows_as_drift():
    class Swallowing(Spotter):
        """Forgets a fifth of a second, so that its clock is wrong from then on."""

        def reset(self, start_s=0.0):
            super().reset(start_s)
            self.fed = round(start_s * RATE)

        def decisions_in(self, samples):
            at = np.arange(self.fed, self.fed + len(samples)) / RATE
            self.fed += len(samples)
            return super().decisions_in(samples[(at < 130) | (at >= 130.2)])

    assert soak(None, HOURS, 1, Swallowing.of)["drift_s"] == pytest.approx(0.2, abs=0.11)


def test_a_bad_file_that_is_taken_and_a_good_one_that_is_refused_are_found(monkeypatch):
    """Both at once: the first swap's file is refused, and from then on each is taken for the good one."""
    good = trial.load()
    loads = iter([good, good, None])

    def load(path):
        if (file := next(loads, good)) is None:
            raise InputError("refused")
        return file

    monkeypatch.setattr(trial, "load", load)
    report = soak(None, HOURS, 1)
    assert (report["reloads"], report["reloads_refused"], report["reloads_wrong"]) == (4, 1, 4)


def test_lost_sound_is_silence_of_its_length_whatever_the_blocks(manifest):
    samples = compose_round(manifest, seed=3)
    losses = [Loss(1.0, 1.25), Loss(61.5, 64.0)]
    pieces = {}
    for seed in (None, 1, 2):
        source = Rounds(samples, 2, losses, seed)
        pieces[seed] = list(source.blocks(RATE))
        assert source.audio_s == 120
        assert source.lost_s == pytest.approx(2.75)
    whole = np.tile(samples, 2)
    whole[RATE : round(1.25 * RATE)] = 0
    whole[round(61.5 * RATE) : 64 * RATE] = 0
    for blocks in pieces.values():
        assert np.array_equal(np.concatenate(blocks), whole)
    assert {len(block) for block in pieces[1]} > {1, 7, 160}


def test_losses_are_drawn_in_order_within_their_rounds():
    losses = draw_losses(200, 60.0, seed=1)
    assert 60 < len(losses) < 140
    for before, after in itertools.pairwise(losses):
        assert before.end_s <= after.start_s
    assert all(loss.start_s // 60 == loss.end_s // 60 for loss in losses)
    assert min(loss.end_s - loss.start_s for loss in losses) < 0.1
    assert max(loss.end_s - loss.start_s for loss in losses) > 2


def event(keyword, end_s):
    return Event(keyword, 0.9, end_s - 1, end_s, None, None)


def test_the_ledger_tells_late_lost_strange_and_hidden_events_apart(manifest):
    ledger = Ledger(manifest, [Loss(20.0, 20.5)])
    ledger.expect([Expected("yes", 3.0), Expected("no", 8.0), Expected("up", 20.8), Expected("go", 30.0)])
    assert (ledger.expected, ledger.masked) == (3, 1)
    ledger.hear(event("yes", 3.2))
    ledger.hear(event("yes", 3.3))
    ledger.pass_time(9.1)
    assert (ledger.drift_s, ledger.strange, ledger.lost) == (pytest.approx(0.2), 1, 1)
    ledger.hear(event("stop", 20.9))
    assert ledger.strange == 1
    ledger.close()
    assert ledger.lost == 2


def test_bad_input_is_named_in_one_line(command):
    one_line_refusal(command("kws-bench", "soak"), "--hours")
    one_line_refusal(command("kws-bench", "soak", "--hours", 0), "--hours 0")
    one_line_refusal(command("kws-bench", "soak", "--hours", "nan"), "--hours nan")
    one_line_refusal(command("kws-bench", "soak", "--hours", 1, "--model", "none"), "none")
