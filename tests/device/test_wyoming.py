"""The Wyoming service: what clients ask for and hear, and what they cannot do to it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import ROOT, one_line_refusal, run_installed
from hypothesis import given, settings
from hypothesis import strategies as st
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, read_event, write_event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from kws_device import AudioFile, InputError, Spotter
from kws_device.cli import listen
from kws_device.services.wyoming.address import parsed
from kws_device.services.wyoming.sound import Converter, SoundFormat, sound_format

LISTEN = Path(sys.executable).with_name("kws-listen")
DEMO = ROOT / "device" / "demo" / "demo.flac"
RATE = 16000


@pytest.fixture(scope="module")
def demo():
    """The demo recording as 16-bit mono, and its events by name and time in ms."""
    samples, rate = soundfile.read(DEMO, dtype="int16")
    assert rate == RATE
    heard = [
        (e.keyword, round(1000 * e.end_s), round(e.score, 4)) for e in Spotter.load().listen(AudioFile(DEMO))
    ]
    return samples, heard


@contextmanager
def serving(url, *arguments):
    """A service in a process of its own, once it says that it serves."""
    command = [LISTEN, "--wyoming", url, *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = []
            for line in process.stderr:
                lines.append(line)
                if "serving" in line:
                    break
            else:
                raise AssertionError("".join(lines))
            process.said = lines
            yield process
        finally:
            process.terminate()
            assert process.wait(20) == 0


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service of the default model and a folder of others; its socket, and that folder."""
    folder = tmp_path_factory.mktemp("wyoming")
    (folder / "models").mkdir()
    path = folder / "kws.sock"
    with serving(f"unix://{path}", "--wyoming-models", folder / "models") as process:
        yield path, folder / "models", process


class Connection:
    """A client over a Unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rwb")

    def send(self, *events):
        for event in events:
            write_event(event.event() if hasattr(event, "event") else event, self.file)

    def receive(self):
        return read_event(self.file)

    def until(self, *types):
        """The next event of these types, and how many came before it."""
        found = []
        while True:
            event = self.receive()
            assert event is not None, found
            found.append(event)
            if event.type in types:
                return found

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()
        self.socket.close()


def chunks(samples, rate=RATE, size=1024, width=2, channels=1):
    """Sound as events, without its start and stop."""
    step = size * width * channels
    content = samples.tobytes()
    for first in range(0, len(content), step):
        yield AudioChunk(rate, width, channels, content[first : first + step])


def said(samples, **form):
    return [AudioStart(form.get("rate", RATE), form.get("width", 2), form.get("channels", 1), timestamp=0),
            *chunks(samples, **form), AudioStop()]  # fmt: skip


def heard(path, samples, names=None, **form):
    """What a client of its own is told about sound, after a ping that ends it."""
    with Connection(path) as client:
        client.send(Detect(names), *said(samples, **form), Ping("end"))
        return client.until("pong")[:-1]


def told(events):
    return [
        (found.name, found.timestamp, found.context["score"])
        for found in (Detection.from_event(event) for event in events if Detection.is_type(event.type))
    ]


def test_a_program_over_standard_input_and_output_hears_a_word_and_silence_and_ends(demo):
    samples, expected = demo
    command = [LISTEN, "--wyoming", "stdio://"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        write_event(Describe().event(), process.stdin)
        info = Info.from_event(read_event(process.stdout))
        (program,) = info.wake
        names = [model.name for model in program.models]
        assert names == ["yes", "no", "up", "down", "left", "right", "stop", "go"]
        assert all(model.installed and model.languages == ["en"] for model in program.models)
        assert "CC BY" in program.description
        write_event(Detect([expected[0][0]]).event(), process.stdin)
        for event in said(samples):
            write_event(event.event(), process.stdin)
        found = Detection.from_event(read_event(process.stdout))
        assert (found.name, found.timestamp) == expected[0][:2]
        assert found.context["score"] == expected[0][2]
        assert found.context["verified"] is True
        assert found.context["scene"]
        for _ in [name for name, _, _ in expected[1:] if name == expected[0][0]]:
            assert Detection.is_type(read_event(process.stdout).type)
        for event in said(np.zeros(2 * RATE, np.int16)):
            write_event(event.event(), process.stdin)
        assert NotDetected.is_type(read_event(process.stdout).type)
        process.stdin.close()
        assert process.wait(20) == 0


def test_many_clients_at_once_hear_what_one_alone_hears(demo, service):
    samples, expected = demo
    results = {}

    def client(number):
        results[number] = told(heard(service[0], samples, size=256 + 100 * number))

    clients = [threading.Thread(target=client, args=(n,)) for n in range(10)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    assert len(results) == 10
    assert all(found == expected for found in results.values())


def test_a_client_is_described_while_another_one_streams(demo, service):
    with Connection(service[0]) as streaming, Connection(service[0]) as asking:
        streaming.send(Detect(), *said(demo[0])[:-1])
        asking.send(Describe())
        assert Info.is_type(asking.receive().type)


def test_only_the_words_that_are_asked_for_are_told(demo, service):
    samples, expected = demo
    wanted = expected[2][0]
    events = heard(service[0], samples, [wanted])
    assert told(events) == [each for each in expected if each[0] == wanted]
    silent = heard(service[0], samples[: RATE // 2], [wanted])
    assert [event.type for event in silent] == ["not-detected"]


def test_a_second_stream_begins_anew(demo, service):
    samples, expected = demo
    with Connection(service[0]) as client:
        client.send(Detect(), *said(samples), *said(samples), Ping("end"))
        assert told(client.until("pong")) == expected * 2


@pytest.mark.parametrize(("rate", "width", "channels"), [(48000, 4, 2), (16000, 3, 1), (22050, 2, 1)])
def test_sound_of_any_rate_width_and_channels_is_heard(demo, service, rate, width, channels):
    import soxr

    samples, expected = demo
    sound = soxr.resample(samples / 32768, RATE, rate)
    full = 2 ** (8 * width - 1)
    whole = np.clip(np.round(sound * full), -full, full - 1).astype("<i4")
    payload = np.repeat(whole[:, None], channels, axis=1)
    if width == 3:
        payload = payload.view(np.uint8).reshape(-1, channels, 4)[..., :3]
    elif width == 2:
        payload = payload.astype("<i2")
    found = told(heard(service[0], np.ascontiguousarray(payload), rate=rate, width=width, channels=channels))
    assert [name for name, _, _ in found] == [name for name, _, _ in expected]
    assert all(abs(at - right) <= 100 for (_, at, _), (_, right, _) in zip(found, expected, strict=True))


def test_an_unknown_word_is_an_error_and_the_connection_goes_on(demo, service):
    with Connection(service[0]) as client:
        client.send(Detect(["\x1b[31mhal"]), Ping("end"))
        error, pong = client.until("pong")
        assert Error.is_type(error.type)
        text = Error.from_event(error).text
        assert "no such word" in text
        assert "\x1b" not in text
        assert Pong.from_event(pong).text == "end"


def test_a_new_model_is_listed_and_its_words_are_told_apart(demo, service, shipped):
    path, folder, process = service
    shutil.copy(shipped.with_name("tiny.tflite"), folder / "tiny.tflite")
    (folder / "broken.tflite").write_bytes(b"TFL3")
    process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 20
    programs = []
    while len(programs) < 2 and time.monotonic() < deadline:
        with Connection(path) as client:
            client.send(Describe())
            programs = Info.from_event(client.receive()).wake
        time.sleep(0.1)
    assert [model.name for model in programs[1].models][:2] == ["yes@tiny", "no@tiny"]
    assert "broken.tflite" in process.stderr.readline()
    samples, expected = demo
    found = told(heard(path, samples, [f"{expected[0][0]}@tiny"]))
    assert {name for name, _, _ in found} == {f"{expected[0][0]}@tiny"}
    (folder / "tiny.tflite").unlink()
    (folder / "broken.tflite").unlink()
    process.send_signal(signal.SIGHUP)


def resident_bytes(pid):
    """The memory that a process has now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


HOSTILE = {
    "no JSON": b"hello\n",
    "no table": b"[1, 2]\n",
    "no type": b"{}\n",
    "type of another type": b'{"type": 7}\n',
    "deep": b'{"type": "detect", "data": ' + b"[" * 5000 + b"]" * 5000 + b"}\n",
    "long header": b'{"type": "' + b"x" * (1 << 20) + b'"}\n',
    "2 GB payload": b'{"type": "audio-chunk", "payload_length": 2147483648}\n',
    "2 GB data": b'{"type": "detect", "data_length": 2147483648}\n',
    "negative": b'{"type": "detect", "payload_length": -5}\n',
    "true": b'{"type": "detect", "payload_length": true}\n',
    "data no table": b'{"type": "detect", "data_length": 2}\n[]',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_frame_ends_its_own_connection_alone(service, content):
    path, _, process = service
    with Connection(path) as client:
        try:
            client.socket.sendall(content)
            answer = client.receive()
        except (BrokenPipeError, ConnectionResetError):
            answer = None  # it was not read to its end
        if answer is not None:
            assert Error.is_type(answer.type)
            assert client.receive() is None
    with Connection(path) as client:
        client.send(Ping("still"))
        assert Pong.is_type(client.receive().type)
    assert process.poll() is None


def test_what_cannot_be_answered_is_told_before_the_connection_ends(service):
    with Connection(service[0]) as client:
        client.socket.sendall(b'{"type": "ping", "data": {"text": "\\ud800"}}\n')
        error = Error.from_event(client.receive())
        assert (error.code, "Unicode" in error.text) == ("bad-frame", True)
        assert client.receive() is None


@pytest.mark.parametrize(
    "event",
    [
        Event("detect", {"names": "yes"}),
        Event("detect", {"names": ["yes"] * 1000}),
        Event("detect", {"names": [["yes"]]}),
        Event("detect", {"names": [{}, 7]}),
        Event("audio-start", {}),
        Event("audio-start", {"rate": 1, "width": 2, "channels": 1}),
        Event("audio-start", {"rate": 10**30, "width": 2, "channels": 1}),
        Event("audio-chunk", {"rate": RATE, "width": 5, "channels": 1}, b"1234"),
        Event("audio-chunk", {"rate": RATE, "width": 2, "channels": 0}, b"1234"),
    ],
)
def test_what_cannot_be_done_is_an_error_event(service, event):
    with Connection(service[0]) as client:
        client.send(event, Ping("end"))
        assert [found.type for found in client.until("pong")] == ["error", "pong"]


def test_events_of_other_services_are_passed_over(service):
    with Connection(service[0]) as client:
        client.send(Event("transcribe", {"language": "en"}), AudioStop(), Ping("end"))
        assert [found.type for found in client.until("pong")] == ["pong"]


def test_clients_that_vanish_and_floods_leave_memory_as_it_was(demo, service):
    path, _, process = service
    samples, expected = demo

    def vanish(count):
        for number in range(count):
            with Connection(path) as client:
                client.send(Detect(), *said(samples[:RATE])[:-1])
                client.socket.sendall(b'{"type": "audio-chunk", "payload_length": 1000000}\n' + bytes(number))
            heard(path, samples[:RATE])  # meanwhile that one's sound is worked off

    vanish(20)
    before = resident_bytes(process.pid)
    vanish(40)
    assert told(heard(path, samples)) == expected
    assert resident_bytes(process.pid) - before < 30e6


def test_an_address_that_is_served_is_not_taken_and_a_stale_socket_is(service, tmp_path):
    path, _, _ = service
    one_line_refusal(run_installed("kws-listen", "--wyoming", f"unix://{path}"), path, "already in use")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "stale.sock"))
    with serving(f"unix://{tmp_path / 'stale.sock'}"), Connection(tmp_path / "stale.sock") as client:
        client.send(Ping("hello"))
        assert Pong.is_type(client.receive().type)
    assert not (tmp_path / "stale.sock").exists()


def test_over_tcp_it_serves_loopback_alone_and_a_port_that_is_taken_is_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        one_line_refusal(run_installed("kws-listen", "--wyoming", f"tcp://127.0.0.1:{port}"), port, "in use")
    with serving(f"tcp://127.0.0.1:{port}") as process:
        assert process.poll() is None
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)
        with socket.create_connection(("127.0.0.1", port)) as client, client.makefile("rwb") as file:
            write_event(Ping("hello").event(), file)
            assert Pong.is_type(read_event(file).type)


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_standard_input_and_output_must_be_pipes(stream, tmp_path):
    command = [LISTEN, "--wyoming", "stdio://"]
    with (tmp_path / "file").open("w+b") as file:
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, stream: file}
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **streams) as process:
            error = process.stderr.read()
    assert (process.returncode, error.count("\n")) == (2, 1)
    assert "must be pipes" in error


@pytest.mark.parametrize(
    "url",
    ["", "home", "tcp://", "tcp://home", "tcp://home:0", "tcp://home:99999", "tcp://a:1/x", "unix://", "http://h:1",
     "unix://host/path", "stdio://x", "tcp://u@h:1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InputError, match="write tcp://"):
        parsed(url)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--wyoming-models", "x"], "needs --wyoming"),
        (["--zeroconf", "x"], "needs --wyoming"),
        (["--wyoming", "stdio://", "--json"], "--json"),
        (["--wyoming", "stdio://", "--zeroconf", "x"], "TCP"),
        (["--wyoming", "stdio://", "--wyoming-models", "/none"], "/none"),
    ],
)
def test_options_that_do_not_fit_are_told(arguments, words):
    one_line_refusal(run_installed("kws-listen", *arguments), words)


def test_without_the_package_that_announces_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    with pytest.raises(InputError, match=r"--zeroconf needs.*kws-device\[wyoming\]"):
        listen.main(["--wyoming", "tcp://127.0.0.1:10400", "--zeroconf", "x"])


FORMATS = st.builds(SoundFormat, st.sampled_from([8000, RATE, 44100]), st.integers(1, 4), st.integers(1, 8))
NUMBERS = st.sampled_from([-1, 0, 1, 2, 4, 5, 8, 9, RATE, 192_001, 10**30, True, None, "16000", 2.0])


@settings(deadline=None)
@given(st.binary(max_size=200), FORMATS)
def test_any_bytes_are_sound_within_full_scale(payload, form):
    converter = Converter(form, RATE)
    samples = np.concatenate([converter.samples(payload), converter.samples(b"", last=True)])
    full = 32768 if samples.dtype == np.int16 else 1
    assert np.isfinite(samples).all()
    if form.rate_hz == RATE:
        assert (np.abs(samples.astype(np.float64)) <= full).all()  # resampling overshoots
        assert len(samples) == len(payload) // (form.width * form.channels)


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional={"rate": NUMBERS, "width": NUMBERS, "channels": NUMBERS}))
def test_a_format_is_one_that_can_be_heard_or_refused(data):
    try:
        form = sound_format(data)
    except ValueError:
        return
    assert 4000 <= form.rate_hz <= 192_000
