"""What is asked of a session while it listens: done between two blocks, and told to every sink."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from kws_device import InputError, Session, Sink, Spotter, audio_files
from kws_device.model import model_file
from kws_device.model.manifest_parts import ArmingConfig
from kws_device.requests import Arm, Mute, Reload, Requests, SetThresholds
from kws_device.sources import LISTENING

RATE = 16000


class Blocks:
    """A source of blocks of a tenth of a second; before each one, something may be asked."""

    name, audio_s, lost_s, state = "blocks", 0.0, 0.0, LISTENING

    def __init__(self, sound, before):
        self.sound, self.before = sound, before

    def blocks(self, sample_rate_hz):
        for n, start in enumerate(range(0, len(self.sound), RATE // 10)):
            if n in self.before:
                self.before[n]()
            yield self.sound[start : start + RATE // 10]


class Notebook(Sink):
    """Writes down all that a sink is told."""

    def __init__(self):
        self.levels, self.events, self.configurations, self.notes = [], [], [], []

    def configured(self, manifest, muted):
        self.configurations.append((manifest.name, manifest.decoder.thresholds["yes"], muted))

    def decided(self, decision, source):
        self.levels.append(round(decision.level_dbfs))
        if decision.event:
            self.events.append((decision.event.keyword, decision.event.armed))

    def noted(self, text):
        self.notes.append(text)


def run(sound, before, load=Spotter.load):
    """Listen to a sound; what `before` says by block is asked before that one."""
    requests, sink = Requests(), Notebook()
    session = Session(load, sink, requests=requests)
    asks = {n: (lambda n=n: [requests.put(request) for request in before[n]]) for n in before}
    session.run([Blocks(sound, asks)])
    return sink, session


@pytest.fixture(scope="module")
def loud():
    return np.full(RATE, 0.1, dtype=np.float32)


def test_a_sink_is_told_at_the_start_what_listens(loud):
    sink, session = run(loud, {})
    manifest = session.spotter.manifest
    assert sink.configurations == [(manifest.name, manifest.decoder.thresholds["yes"], False)]


def test_muted_it_hears_silence_and_the_time_goes_on(loud):
    sink, _ = run(loud, {0: [Mute(True)], 6: [Mute(False)]})
    assert sink.levels == [-99] * 6 + [-20] * 4
    assert [muted for *_, muted in sink.configurations] == [False, True, False]


def test_muted_it_reports_nothing(demo):
    sound = audio_files.read(demo / "demo.flac", RATE)[: 10 * RATE]
    assert len(run(sound, {})[0].events) >= 2
    assert run(sound, {0: [Mute(True)]})[0].events == []


def test_thresholds_count_from_then_on_and_unknown_words_are_passed_over(demo):
    sound = audio_files.read(demo / "demo.flac", RATE)[: 10 * RATE]
    assert "yes" in [word for word, _ in run(sound, {})[0].events]
    sink, session = run(sound, {0: [SetThresholds({"yes": 1.0, "another model's": 0.5})]})
    assert "yes" not in [word for word, _ in sink.events]
    assert sink.configurations[-1][1] == session.spotter.manifest.decoder.thresholds["yes"] == 1.0
    assert sink.notes == []


def test_a_model_that_was_chosen_takes_over_and_is_read_again_by_later_reloads(loud):
    loads = []

    def tiny():
        loads.append("tiny")
        return Spotter.load("tiny")

    sound = np.concatenate([loud] * 4)
    requests, sink = Requests(), Notebook()
    session = Session(Spotter.load, sink, requests=requests)

    def loaded():
        if session._loading is not None:
            session._loading.wait(60)

    before = {
        1: lambda: requests.put(Reload(tiny)),
        3: loaded,
        10: lambda: requests.put(Reload()),
        12: loaded,
    }
    session.run([Blocks(sound, before)])
    assert loads == ["tiny", "tiny"]
    assert session.spotter.manifest.name == "tiny"
    assert sink.configurations[-1][0] == "tiny"


def test_a_model_that_cannot_be_read_is_told_and_the_one_before_stays_also_for_later_reloads(loud):
    def missing():
        raise InputError("gone.tflite: no such model file")

    requests, sink, loads = Requests(), Notebook(), []

    def own():
        loads.append("own")
        return Spotter.load()

    session = Session(own, sink, requests=requests)

    def loaded():
        if session._loading is not None:
            session._loading.wait(60)

    before = {
        1: lambda: requests.put(Reload(missing)),
        3: loaded,
        5: lambda: requests.put(Reload()),
        7: loaded,
    }
    session.run([Blocks(np.concatenate([loud] * 2), before)])
    assert sink.notes[0] == "the model stays as it was: gone.tflite: no such model file"
    assert loads == ["own", "own"]
    # Told all the same: who asked shows what listens.
    assert len(sink.configurations) == 3


def test_arming_is_asked_as_the_word_asks(demo):
    file = model_file.read(model_file.find(None))
    others = tuple(word for word in file.manifest.keywords if word != "left")
    manifest = file.manifest.with_arming(ArmingConfig("left", 60.0, others, {}))
    sound = audio_files.read(demo / "demo.flac", RATE)[: 10 * RATE]

    def load():
        return Spotter.of(replace(file, manifest=manifest))

    assert run(sound, {}, load)[0].events == []
    armed, _ = run(sound, {0: [Arm()]}, load)
    assert armed.events == [(word, True) for word, _ in run(sound, {})[0].events]
    told, _ = run(sound[:RATE], {0: [Arm()]})
    assert "has no commands to arm" in told.notes[0]


def test_a_flood_of_requests_keeps_the_newest():
    requests = Requests()
    threads = [
        threading.Thread(target=lambda: [requests.put(Mute(True)) for _ in range(5000)]) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    requests.put(Mute(False))
    taken = list(requests.take())
    assert len(taken) == 1000
    assert taken[-1] == Mute(False)
