"""What a person at a terminal sees."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fake_terminal import FakeTerminal
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from kws_device import Decision, Event
from kws_device._support.untrusted_text import printable
from kws_device.levels import dbfs, peak, rms
from kws_device.model import model_file
from kws_device.sinks import Lines, for_people
from kws_device.sinks import screen as screen_module
from kws_device.sinks.screen import Screen
from kws_device.sinks.terminal import fitted
from kws_device.sources import LISTENING

RATE = 16000
MANIFEST = model_file.read(model_file.find(None)).manifest
SUMMARY = {"audio_s": 2.0, "decisions": 20, "lost_s": 0.0, "cpu_s": 0.1}


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


class Listening:
    """A screen on a terminal, and decisions for it."""

    def __init__(self, terminal, events=None, environment=None):
        self.clock, self.cpu_clock = Clock(), Clock()
        self.terminal = terminal
        self.screen = Screen(
            events or terminal.stream, terminal.stream, environment or {}, self.clock, self.cpu_clock
        )
        self.source = SimpleNamespace(name="usb microphone", state=LISTENING, lost_s=0.0, audio_s=0.0)
        self.manifest = MANIFEST
        self.sound = np.full(RATE // 10, 0.1, dtype=np.float32)
        self.decisions = 0

    def decide(self, keyword=None, leader="yes", score=0.75, armed_left_s=None):
        self.decisions += 1
        self.clock.now_s += 0.1
        end_s = self.decisions / 10
        event = None if keyword is None else Event(keyword, 0.97, end_s - 1, end_s, "rain", 0.61)
        scores = {}
        for head in self.manifest.heads:
            values = np.zeros(len(head.labels))
            values[head.labels.index(leader) if leader in head.labels else 1] = score
            scores[head.name] = values
        level_dbfs, peak_dbfs = dbfs(rms(self.sound)), dbfs(peak(self.sound))
        decision = Decision(
            end_s,
            scores,
            event,
            labels=self.manifest.labels,
            level_dbfs=level_dbfs,
            peak_dbfs=peak_dbfs,
            armed_left_s=armed_left_s,
        )
        self.screen.decided(decision, self.source)
        self.drawn()

    def drawn(self):
        """Wait until the screen has drawn all it knows."""
        done = threading.Event()
        self.screen._worker.submit(done.set)
        assert done.wait(60)


@pytest.fixture
def terminal():
    with FakeTerminal() as made:
        yield made


def test_it_shows_that_it_is_muted_and_for_how_long_commands_are_armed(terminal):
    listening = Listening(terminal)
    listening.decide()
    assert "muted" not in terminal.lines[0] + terminal.lines[1]
    listening.screen.configured(MANIFEST, True)
    listening.decide(armed_left_s=3.24)
    shown = " ".join(terminal.lines)
    assert "listening on usb microphone  muted  armed, 3.2 s left" in shown
    listening.screen.configured(MANIFEST, False)
    listening.decide(armed_left_s=0.0)
    shown = " ".join(terminal.lines)
    assert "muted" not in shown
    assert "armed" not in shown


def test_events_stand_above_and_the_state_of_things_below(terminal):
    listening = Listening(terminal)
    listening.decide()
    for word in ("yes", "no"):
        listening.cpu_clock.now_s += 0.0025
        listening.decide(word)
    scene = MANIFEST.head("scene").labels[1]
    assert terminal.lines == [
        "     0.2 s  yes          0.97  scene: rain 0.61",
        "     0.3 s  no           0.97  scene: rain 0.61",
        "",
        "     0.3 s  listening on usb microphone",
        "level    [####################          ] -20 dBFS, peak -20",
        "keyword  [######################        ] 0.75 yes",
        f"scene    [######################        ] 0.75 {scene}",
        "10.0 decisions/s  2.5 % CPU  0.0 s lost",
    ]


def test_forty_columns_are_enough_and_nothing_wraps():
    with FakeTerminal(columns=40) as terminal:
        listening = Listening(terminal)
        listening.source.name = "a microphone with a name that is much longer than any terminal is wide"
        for _ in range(4):
            listening.decide()
        listening.decide("yes")
        listening.screen.noted("the microphone is away, so look for their plug")
        listening.decide()
        assert terminal.lines == [
            "     0.5 s  yes          0.97  scene: ra",
            "the microphone is away, so look for thei",
            "r plug",
            "",
            "     0.6 s  listening on a microphone w",
            "level    [######   ] -20 dBFS, peak -20",
            "keyword  [#######  ] 0.75 yes",
            f"scene    [#######  ] 0.75 {MANIFEST.head('scene').labels[1]}",
            "10.0 decisions/s  0.0 % CPU  0.0 s lost",
        ]


@pytest.mark.parametrize("columns", [1, 2, 5, 12, 20, 31, 79, 200])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 6, 7, 24])
def test_no_terminal_is_too_small(columns, rows):
    with FakeTerminal(columns, rows) as terminal:
        listening = Listening(terminal)
        for _ in range(4):
            listening.decide()
        assert len(terminal.lines) <= 6
        assert terminal.scrolled == []
        listening.screen.finished(SUMMARY)


def test_a_terminal_made_narrower_or_wider_is_used_as_it_is_now(terminal):
    listening = Listening(terminal)
    listening.decide()
    terminal.resize(40)
    listening.decide()
    assert terminal.lines[2] == "level    [######   ] -20 dBFS, peak -20"
    terminal.resize(80)
    listening.decide()
    assert terminal.lines[2] == "level    [####################          ] -20 dBFS, peak -20"


def test_a_long_evening_scrolls_and_leaves_no_remains(terminal):
    listening = Listening(terminal)
    words = [MANIFEST.keywords[i % len(MANIFEST.keywords)] for i in range(100)]
    for word in words:
        listening.decide()
        listening.decide(word)
    above = terminal.scrolled + terminal.lines[:-6]
    assert [line.split()[2] for line in above] == words
    below = ["", "20.0", "level", "keyword", "scene", "10.0 dec"]
    assert [line[:8].strip() for line in terminal.lines[-6:]] == below


def test_notes_and_what_others_print_stay_readable(terminal):
    listening = Listening(terminal)
    listening.decide()
    listening.screen.noted("the microphone is away")
    listening.drawn()
    terminal.write("a lamp's command: on\n")
    listening.decide()
    terminal.write("its end comes")
    listening.decide()
    terminal.write("\n")
    listening.decide("yes")
    assert terminal.lines[:3] == ["the microphone is away", "a lamp's command: on", "its end comes"]
    assert "yes" in terminal.lines[3]
    assert terminal.lines[4] == ""
    assert len(terminal.lines) == 10


def test_what_keeps_it_from_listening_and_lost_sound_are_told(terminal):
    listening = Listening(terminal)
    listening.source.state = "the microphone is away"
    listening.source.lost_s = 12.34
    listening.decide()
    assert terminal.lines[1] == "     0.1 s  the microphone is away (usb microphone)"
    assert terminal.lines[-1].endswith("12.3 s lost")


def test_the_peak_is_held_for_a_while(terminal):
    listening = Listening(terminal)
    listening.sound[-5] = 0.9
    listening.decide()
    listening.sound[-5] = 0.1
    listening.decide()
    assert terminal.lines[2] == "level    [####################         |] -20 dBFS, peak  -1"
    for _ in range(20):
        listening.decide()
    assert terminal.lines[2] == "level    [####################          ] -20 dBFS, peak -20"


@pytest.mark.parametrize(("amplitude", "shown"), [(0.0, "-99 dBFS"), (1e-6, "-99 dBFS"), (4.0, "12 dBFS")])
def test_silence_and_more_than_full_scale_fit_the_meter(amplitude, shown, terminal):
    listening = Listening(terminal)
    listening.sound[:] = amplitude
    listening.decide()
    assert terminal.lines[2].index("]") == 40
    assert shown in terminal.lines[2]


def test_a_model_without_scenes_has_no_line_for_them(terminal):
    listening = Listening(terminal)
    listening.manifest = replace(MANIFEST, heads=(MANIFEST.head("keyword"),))
    listening.decide()
    assert [line[:7].strip() for line in terminal.lines] == ["", "0.", "level", "keyword", "0.0 dec"]


def test_words_of_any_script_fit():
    with FakeTerminal(columns=40) as terminal:
        listening = Listening(terminal)
        head = replace(MANIFEST.head("keyword"), labels=("はい" * 20, *MANIFEST.head("keyword").labels[1:]))
        listening.manifest = SimpleNamespace(heads=(head,), labels={"keyword": head.labels})
        listening.decide(leader="はい" * 20)
        listening.decide(leader="はい" * 20)
        assert len(terminal.lines) == 5
        assert terminal.lines[3].startswith("keyword  [#######  ] 0.75 は")


@given(st.text(max_size=40), st.integers(0, 40))
def test_what_is_fitted_fits_and_is_the_beginning(text, columns):
    shown = fitted(text, columns)
    assert wcswidth(shown) <= columns
    assert printable(text).startswith(shown)
    assert shown.isprintable()


def test_names_cannot_steer_the_terminal(terminal):
    listening = Listening(terminal)
    listening.source.name = "\x1b[2J\x1b]0;title\x07.wav"
    listening.decide()
    listening.decide("\x1b[31myes")
    listening.screen.noted("one\ntwo")
    listening.drawn()
    assert terminal.lines[0].split()[2] == "?[31myes"
    assert terminal.lines[1] == "one?two"
    assert terminal.lines[3] == "     0.2 s  listening on ?[2J?]0;title?.wav"


def test_colours_tell_what_matters_and_no_color_is_honoured(terminal):
    listening = Listening(terminal)
    listening.source.lost_s = 1.0
    listening.sound[:] = 1.0
    listening.decide()
    listening.decide("yes")
    listening.screen.noted("a note")
    listening.drawn()
    assert terminal.lines[1] == "a note"
    assert terminal.look(0).bold
    assert [terminal.look(row).fg for row in (1, 3, 4, 5, 7)] == [
        "brown",
        "default",
        "red",
        "default",
        "brown",
    ]
    with FakeTerminal() as plain:
        listening = Listening(plain, environment={"NO_COLOR": "1"})
        listening.source.lost_s = 1.0
        listening.decide("yes")
        listening.decide()
        listening.screen.finished(SUMMARY)
        assert "yes" in plain.lines[0]
        assert re.search(rb"\x1b\[[\d;]*m", plain.raw) is None


def test_it_is_redrawn_at_most_ten_times_a_second(terminal):
    listening = Listening(terminal)
    for _ in range(1000):
        listening.clock.now_s -= 0.099
        listening.decide()
    terminal.lines  # noqa: B018 - reads all there is
    assert 5 <= terminal.raw.count(b"decisions/s") <= 11


def test_in_the_end_the_block_is_gone_and_the_cursor_is_back(terminal):
    listening = Listening(terminal)
    listening.decide("yes")
    assert terminal.cursor_hidden
    listening.screen.finished(SUMMARY)
    assert not terminal.cursor_hidden
    assert len(terminal.lines) == 2
    assert terminal.lines[1] == "2.0 s of sound, 20 decisions, 0.10 s of CPU"
    listening.screen.close()
    listening.screen.noted("a command was killed")
    terminal.write("prompt$ ")
    assert terminal.lines[2:] == ["a command was killed", "prompt$"]


@pytest.mark.parametrize(
    "error", ["InputError('the microphone burns; put it out')", "KeyboardInterrupt", "KeyError"]
)
def test_an_error_gives_the_cursor_back(error, tmp_path):
    (tmp_path / "listen.py").write_text(
        textwrap.dedent(
            f"""
            import sys
            from types import SimpleNamespace
            import numpy as np
            from kws_device import Decision, InputError
            from kws_device._support.command import run
            from kws_device.model import model_file
            from kws_device.sinks import for_people
            manifest = model_file.read(model_file.find(None)).manifest
            def main(argv):
                sink = for_people(sys.stdout, sys.stderr)
                source = SimpleNamespace(name="m", state="listening", lost_s=0.0)
                scores = {{head.name: np.ones(len(head.labels)) for head in manifest.heads}}
                sink.decided(Decision(0.1, scores, None, labels=manifest.labels), source)
                raise {error}
            run(main)
            """
        )
    )
    with FakeTerminal() as terminal:
        command = [sys.executable, tmp_path / "listen.py"]
        environment = {**os.environ, "TERM": "xterm"}
        subprocess.run(command, stdout=terminal.stream, stderr=terminal.stream, env=environment)
        assert not any("decisions/s" in line for line in terminal.lines)
        assert b"decisions/s" in terminal.raw
        assert not terminal.cursor_hidden
        if "burns" in error:
            assert terminal.lines == ["error: the microphone burns; put it out"]


def test_events_that_go_to_a_file_go_there_alone(terminal):
    events = io.StringIO()
    listening = Listening(terminal, events=events)
    listening.decide("yes")
    listening.decide()
    assert events.getvalue() == "     0.1 s  yes          0.97  scene: rain 0.61\n"
    assert terminal.lines[0] == ""
    assert len(terminal.lines) == 6


def test_a_terminal_that_was_stopped_stops_nobody_and_catches_up(monkeypatch):
    monkeypatch.setattr(screen_module, "_PATIENCE_S", 0.01)
    terminal = FakeTerminal()
    listening = Listening(terminal)
    listening.drawn = lambda: None
    for _ in range(2000):
        listening.decide("yes")
    listening.screen.finished(SUMMARY)
    with terminal:
        assert "yes" in terminal.lines[0] or "yes" in terminal.scrolled[0]


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": ""}, {}])
def test_a_terminal_that_cannot_be_drawn_on_gets_plain_lines(environment, terminal):
    sink = for_people(terminal.stream, terminal.stream, environment)
    assert isinstance(sink, Lines)
    sink.decided(Decision(1.0, {}, Event("yes", 0.97, 0.0, 1.0, None, None)), None)
    sink.noted("a note")
    sink.finished(SUMMARY)
    assert terminal.lines == [
        "     1.0 s  yes          0.97",
        "a note",
        "2.0 s of sound, 20 decisions, 0.10 s of CPU",
    ]
    assert b"\x1b" not in terminal.raw


def test_a_pipe_gets_plain_lines():
    assert isinstance(for_people(io.StringIO(), io.StringIO(), {"TERM": "xterm"}), Lines)
