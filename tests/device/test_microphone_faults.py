"""Every way in which a microphone fails, on a real PortAudio stream, in real time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soxr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from virtual_card import VirtualCard

from kws_device import InputError, Microphone, audio_files
from kws_device.sources import portaudio

RATE = 16000
CARD_RATE = 44100
"""Which PortAudio takes for a virtual card's own."""
WATCH = f"""
    import json, sys, time
    from kws_device import Microphone
    microphone = Microphone(sys.argv[1], wait=sys.argv[2] == "wait")
    state, samples, began = None, 0, time.monotonic()
    for block in microphone.blocks({RATE}):
        samples += len(block)
        if microphone.state != state or time.monotonic() - told > 0.5:
            state, told = microphone.state, time.monotonic()
            line = [time.monotonic() - began, state, samples / {RATE}, microphone.lost_s]
            print(json.dumps(line), flush=True)
"""


class Watched:
    """A microphone that delivers in a process of its own, and tells its state and its clocks."""

    def __init__(self, card, device, wait=False):
        command = [sys.executable, "-c", textwrap.dedent(WATCH), device, "wait" if wait else "now"]
        self.process = subprocess.Popen(
            command, env=card.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def until(self, state, patience_s=40.0):
        """Wait for a line told from now on whose state begins so."""
        seen, deadline = len(self.lines), time.monotonic() + patience_s
        while time.monotonic() < deadline:
            for line in self.lines[seen:]:
                if line[1].startswith(state):
                    return SimpleNamespace(
                        **dict(zip(("s", "state", "audio_s", "lost_s"), line, strict=True))
                    )
            time.sleep(0.05)
        raise AssertionError(f"never {state!r}: {self.lines[-3:]}")

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=10)


@pytest.fixture
def make_card(tmp_path):
    cards = []

    def make(played=None, rate_hz=RATE):
        card = VirtualCard(tmp_path, rate_hz, np.zeros(rate_hz, np.int16) if played is None else played)
        cards.append(card)
        return card

    yield make
    for card in cards:
        if card.server is not None:
            card.server.send_signal(signal.SIGCONT)
        card.kill()


def test_a_killed_sound_server_is_waited_for_and_the_clock_goes_on(make_card):
    card = make_card()
    card.start()
    watched = Watched(card, "virtmic")
    before = watched.until("listening")
    assert before.lost_s == 0
    card.kill()
    away = watched.until("waiting for virtmic")
    time.sleep(1.5)
    card.start()
    back = watched.until("listening")
    assert back.lost_s > 1.5
    for moment in (away, back):
        assert moment.audio_s == pytest.approx(before.audio_s + moment.s - before.s, abs=0.6)
    again = watched.until("listening")
    assert again.lost_s == back.lost_s
    watched.end()


def test_a_suspended_source_is_noticed_and_taken_up_again(make_card):
    card = make_card()
    card.start()
    watched = Watched(card, "virtmic")
    before = watched.until("listening")
    card.suspend(True)
    assert "no sound" in watched.until("waiting for virtmic").state
    card.suspend(False)
    back = watched.until("listening")
    assert back.lost_s > 1.0
    assert back.audio_s == pytest.approx(before.audio_s + back.s - before.s, abs=0.6)
    watched.end()


def test_a_stream_that_stalls_for_ever_blocks_nobody(make_card):
    card = make_card()
    card.start()
    watched = Watched(card, "virtmic")
    watched.until("listening")
    os.kill(card.server.pid, signal.SIGSTOP)
    watched.until("waiting for virtmic")
    time.sleep(2)
    first = watched.until("waiting for virtmic")
    time.sleep(3)
    later = watched.until("waiting for virtmic")
    assert later.audio_s - first.audio_s == pytest.approx(later.s - first.s, abs=0.6)
    watched.end()  # within its ten seconds, though the stream never ends


def test_a_microphone_that_comes_later_is_waited_for(make_card, demo):
    sound = soxr.resample(audio_files.read(demo / "demo.flac", RATE)[: 8 * RATE], RATE, CARD_RATE)
    card = make_card(np.round(sound * 32767).astype(np.int16), CARD_RATE)
    listener = Path(sys.executable).with_name("kws-listen")
    with subprocess.Popen(
        [listener, "--device", "playedmic", "--wait", "--json"],
        env=card.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert "waiting for playedmic" in process.stderr.readline()
        card.start()
        assert "listening" in process.stderr.readline()
        heard = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=10)
    first = json.loads((demo / "demo.json").read_text())[0]
    summary = json.loads(rest.splitlines()[-1])
    assert heard["keyword"] == first["word"]
    assert heard["end_s"] - summary["lost_s"] == pytest.approx(first["end_s"], abs=0.8)
    assert process.returncode == 0


def test_a_48_khz_microphone_is_resampled_without_seams(make_card, tmp_path, demo):
    sound = soxr.resample(audio_files.read(demo / "demo.flac", RATE)[: 6 * RATE], RATE, 48000)
    played = np.round(sound * 32767).astype(np.int16)
    card = make_card(played, 48000)
    card.start()
    script = f"""
        import sounddevice, numpy as np
        from kws_device import Microphone
        from kws_device.sources import portaudio
        find = portaudio.find_device
        # PortAudio's default for virtual cards is always 44,100 Hz; a USB microphone says 48,000.
        portaudio.find_device = lambda name: {{**find(name), "default_samplerate": 48000.0}}
        sound = []
        for block in Microphone("playedmic").blocks({RATE}):
            sound.append(block)
            if sum(map(len, sound)) > 4 * {RATE}:
                break
        np.save("{tmp_path}/heard.npy", np.concatenate(sound))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=card.environment, check=True)
    heard = np.load(tmp_path / "heard.npy", allow_pickle=False)
    wanted = soxr.resample(played / np.float32(32768), 48000, RATE)
    assert np.abs(heard - wanted[: len(heard)]).max() < 1e-5


class FakePortAudio:
    """sounddevice with a device that overflows: the one fault that no virtual card shows."""

    class PortAudioError(Exception):
        pass

    def __init__(self, blocks):
        self._blocks = blocks

    def query_devices(self):
        return [{"name": "fake", "index": 0, "max_input_channels": 2, "default_samplerate": float(RATE)}]

    def InputStream(self, *, callback, channels, finished_callback, **_):  # noqa: N802 (as in sounddevice)
        def run():
            for block, overflowed in self._blocks:
                data = np.repeat(block[:, None], channels, axis=1) * np.arange(
                    1, channels + 1, dtype=np.int16
                )
                callback(data, len(data), None, SimpleNamespace(input_overflow=overflowed))
            finished_callback()

        return SimpleNamespace(start=threading.Thread(target=run).start, close=lambda: None)


def heard(monkeypatch, blocks, samples, **options):
    fake = FakePortAudio(blocks)
    fake.default = SimpleNamespace(device=(0, 0))
    monkeypatch.setattr(portaudio, "library", lambda: fake)
    microphone = Microphone(**options)
    sound = np.zeros(0, dtype=np.float32)
    source = microphone.blocks(RATE)
    while len(sound) < samples:
        sound = np.concatenate([sound, next(source)])
    source.close()
    return sound, microphone


def test_an_overflow_is_counted_and_silence_keeps_its_place(monkeypatch):
    block = np.full(320, 1000, dtype=np.int16)
    sound, microphone = heard(monkeypatch, [(block, index == 3) for index in range(6)], 7 * 320)
    assert microphone.lost_s == 320 / RATE
    assert microphone.audio_s == 7 * 320 / RATE
    levels = sound.reshape(7, 320)
    assert np.all(levels[3] == 0)
    assert np.all(np.delete(levels, 3, axis=0) == np.float32(1000 / 32768))


def test_portaudio_starts_anew_only_when_no_microphone_of_the_process_uses_it(monkeypatch):
    started = []
    fake = FakePortAudio([(np.zeros(320, dtype=np.int16), False)] * 3)
    fake.default = SimpleNamespace(device=(0, 0))
    fake._terminate, fake._initialize = (lambda: None), (lambda: started.append(True))
    monkeypatch.setattr(portaudio, "library", lambda: fake)
    device = portaudio.find_device(None)
    listening, other = portaudio.Stream(device, None), portaudio.Stream(device, None)
    for stream in (listening, other):
        portaudio.look_again()
        assert started == []
        stream.close()
    with portaudio.in_use():
        portaudio.look_again()
    assert started == []
    portaudio.look_again()
    assert started == [True]


def test_the_channel_and_the_gain_that_were_asked_for_are_heard(monkeypatch):
    blocks = [(np.full(320, 1000, dtype=np.int16), False)] * 3
    for options, factor in (
        ({}, 1),
        ({"channel": 1}, 1),
        ({"channel": 2}, 2),
        ({"gain_db": 20.0}, 10),
    ):
        sound, _ = heard(monkeypatch, blocks, 640, **options)
        assert sound == pytest.approx(factor * 1000 / 32768)


def test_a_listener_that_falls_behind_loses_sound_and_says_so(monkeypatch):
    """More blocks at once than the queue takes: the rest is dropped, and counted with the next block."""
    block = np.full(320, 1000, dtype=np.int16)
    flooded, ready = threading.Event(), threading.Event()

    def flood():
        for _ in range(2000):
            yield block, False
        flooded.set()
        ready.wait(10)
        yield block, False

    fake = FakePortAudio(flood())
    fake.default = SimpleNamespace(device=(0, 0))
    monkeypatch.setattr(portaudio, "library", lambda: fake)
    microphone = Microphone()
    source = microphone.blocks(RATE)
    next(source)
    assert flooded.wait(10)
    for _ in range(1499):
        next(source)
    assert microphone.lost_s == 0
    ready.set()
    while microphone.lost_s == 0:
        next(source)
    source.close()
    assert microphone.lost_s >= 320 / RATE


BLOCK = 320


class FakeStream:
    """A device that delivers 20 ms blocks of sound, those at `gaps` so many seconds late and flagged."""

    def __init__(self, rate_hz, gaps=(), blocks=10):
        self.rate_hz = rate_hz
        self.closed = False
        self._left = [dict(gaps).get(index, 0.0) for index in range(blocks)]
        self._now_s = time.monotonic()

    def read(self, patience_s):
        gap_s = self._left.pop(0)
        self._now_s += BLOCK / self.rate_hz + gap_s
        return portaudio.Recorded(np.full((BLOCK, 1), 1000, dtype=np.int16), self._now_s, gap_s > 0)

    def close(self):
        self.closed = True


@pytest.fixture
def opened(monkeypatch):
    """Lets a microphone open these streams, one after the other."""

    def let(*streams):
        streams = list(streams)
        monkeypatch.setattr(portaudio, "find_device", lambda name: {"name": "fake"})
        monkeypatch.setattr(portaudio, "Stream", lambda device, channel: streams.pop(0))
        return Microphone()

    return let


def test_every_listening_begins_anew_whatever_went_on_in_between(opened, monkeypatch):
    first, second = FakeStream(RATE, gaps=[(2, 3.0)]), FakeStream(RATE)
    microphone = opened(first, second)
    source = microphone.blocks(RATE)
    while microphone.lost_s < 3:
        next(source)
    source.close()
    assert first.closed
    second._now_s += 3600.0
    blocks = microphone.blocks(RATE)
    sound = np.concatenate([next(blocks) for _ in range(10)])
    assert np.all(sound == np.float32(1000 / 32768))
    assert microphone.lost_s == 0
    assert microphone.audio_s == pytest.approx(len(sound) / RATE)
    blocks.close()


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(gaps={5: 3600.0}, rate_hz=48000)
@given(
    gaps=st.dictionaries(st.integers(1, 9), st.floats(0.1, 600.0), max_size=3),
    rate_hz=st.sampled_from([RATE, 44100, 48000]),
)
def test_no_pause_makes_a_large_block_and_none_moves_the_times(gaps, rate_hz, opened):
    microphone = opened(FakeStream(rate_hz, gaps=gaps.items()))
    source = microphone.blocks(RATE)
    expected_s = 10 * BLOCK / rate_hz + sum(gaps.values())
    delivered = 0
    while microphone.audio_s < expected_s - 0.001:
        block = next(source)
        assert len(block) <= 1.1 * RATE  # a resampler may bring what it held back
        delivered += len(block)
    assert microphone.lost_s == pytest.approx(sum(gaps.values()), abs=0.001)
    assert microphone.audio_s == pytest.approx(expected_s, abs=0.001)
    # The resampler holds some of the newest sound back.
    assert delivered / RATE == pytest.approx(expected_s, abs=0.1)
    source.close()


def test_a_device_that_comes_when_nobody_listens_any_more_is_not_kept(monkeypatch):
    """The attempt to open it had begun before."""
    came, stream = threading.Event(), FakeStream(RATE)
    closed = threading.Event()
    stream.close = closed.set

    def open_late(device, channel):
        came.wait(10)
        return stream

    answers = iter([InputError("not there yet"), {"name": "fake"}])

    def find(name):
        answer = next(answers)
        if isinstance(answer, InputError):
            raise answer
        return answer

    monkeypatch.setattr(portaudio, "find_device", find)
    monkeypatch.setattr(portaudio, "Stream", open_late)
    source = Microphone("fake", wait=True).blocks(RATE)
    next(source)
    source.close()
    came.set()
    assert closed.wait(10)
