"""A device on a broker: described, heard, set, and back whenever the broker is."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import one_line_refusal
from hypothesis import given
from hypothesis import strategies as st
from mqtt_broker import Mosquitto, Observer, needs_mosquitto, until

from kws_device import Decision, Event, InputError, Spotter
from kws_device.model import model_file
from kws_device.model.manifest_parts import ArmingConfig
from kws_device.overrides import with_thresholds
from kws_device.requests import Arm, Mute, Reload, Requests, SetThresholds
from kws_device.sinks.mqtt import discovery, settings
from kws_device.sinks.mqtt import sink as sink_module
from kws_device.sinks.mqtt.broker import Broker, broker
from kws_device.sinks.mqtt.settings import Settings
from kws_device.sinks.mqtt.sink import Mqtt
from kws_device.sinks.mqtt.topics import Topics, part

MANIFEST = model_file.read(model_file.find(None)).manifest
SOURCE = SimpleNamespace(name="a microphone", state="listening")
LISTEN = Path(sys.executable).with_name("kws-listen")
TOPICS = Topics("kitchen")
SET = "kws/kitchen/set/"


# Addresses


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "shown"),
    [
        ("mqtt://home", "home", 1883, None, "mqtt://home:1883"),
        ("mqtt://anna@home:99/", "home", 99, "anna", "mqtt://home:99"),
        ("mqtt://a%40b@[::1]", "::1", 1883, "a@b", "mqtt://[::1]:1883"),
        ("mqtts://home", "home", 8883, None, "mqtts://home:8883"),
    ],
)
def test_a_url_names_a_broker(url, host, port, user, shown):
    found = broker(url)
    assert (found.host, found.port, found.user, str(found)) == (host, port, user, shown)
    assert (found.tls is not None) == url.startswith("mqtts")
    if found.tls is not None:
        assert found.tls.check_hostname
        assert found.tls.verify_mode == ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    "url",
    ["home", "http://home", "mqtt://", "mqtt://home:0", "mqtt://home:99999", "mqtt://[::1", "mqtt://h/t?x"],
)
def test_what_is_no_url_of_a_broker_is_refused(url):
    with pytest.raises(InputError, match="write mqtt://HOST"):
        broker(url)


def test_a_password_comes_from_a_file_and_is_never_told(tmp_path):
    (tmp_path / "password").write_text("s3cret\nsecond line\n")
    found = broker("mqtt://anna@home", None, tmp_path / "password")
    assert found.password == "s3cret"
    assert "s3cret" not in repr(found) + str(found)
    with pytest.raises(InputError, match="--mqtt-password-file FILE") as refusal:
        broker("mqtt://anna:s3cret@home")
    assert "s3cret" not in str(refusal.value)
    with pytest.raises(InputError, match="give the user"):
        broker("mqtt://home", None, tmp_path / "password")
    for content, words in ((b"", "empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * 70000, "too long")):
        (tmp_path / "password").write_bytes(content)
        with pytest.raises(InputError, match=words):
            broker("mqtt://anna@home", None, tmp_path / "password")
    with pytest.raises(InputError, match="cannot be read"):
        broker("mqtt://anna@home", None, tmp_path / "none")


def test_certificates_that_are_none_are_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    for path in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        with pytest.raises(InputError, match="--mqtt-ca"):
            broker("mqtts://home", ca_file=path)
    with pytest.raises(InputError, match="write mqtts://"):
        broker("mqtt://home", ca_file=tmp_path / "ca.pem")


# Topics and the description


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_name_has_a_part_of_a_topic_of_its_own(one, other):
    for name in (one, other):
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,60}", part(name))
    assert (part(one) == part(other)) == (one == other)
    assert part("left-2") == "left-2"


ODD = ("größer", "a/b", "+#", "$SYS", 'say "it\'s"', "{{ states }}", "go", "x" * 100)


def odd_manifest(arming=None):
    head = replace(MANIFEST.head("keyword"), labels=(*ODD, "_unknown_", "_silence_"))
    scene = replace(MANIFEST.head("scene"))
    decoder = replace(
        MANIFEST.decoder, thresholds=dict.fromkeys(ODD, 0.5), scene_thresholds={}, smoothing_s={}
    )
    return replace(MANIFEST, heads=(head, scene), decoder=decoder, verifier=None).with_arming(arming)


def test_a_device_is_described_whole_whatever_its_words_are():
    manifest = odd_manifest(ArmingConfig("go", 5.0, ODD[:6], {}))
    found = discovery.components(TOPICS, manifest, ["kws", "my model"])
    assert found["word"]["event_types"] == list(ODD)
    assert found["scene"]["options"] == list(MANIFEST.head("scene").labels)
    platforms = [component["platform"] for component in found.values()]
    assert platforms.count("number") == len(ODD)
    assert {"event", "sensor", "switch", "select", "number", "binary_sensor", "button"} == set(platforms)
    assert len({component["unique_id"] for component in found.values()}) == len(found)
    for key, component in found.items():
        assert re.fullmatch(r"[a-zA-Z0-9_-]+", key)
        for name in ("state_topic", "command_topic"):
            assert re.fullmatch(r"[a-zA-Z0-9_/-]+", component.get(name, "x"))
        assert component.get("value_template", "").count("{{") <= 1
    for key in ("scene", "armed", "arm"):
        alone = replace(manifest, heads=manifest.heads[:1]).with_arming(None)
        assert key not in discovery.components(TOPICS, alone, ["kws"])


def test_the_description_has_what_home_assistant_requires_and_takes_back_what_is_gone():
    present = discovery.components(TOPICS, MANIFEST, ["kws"])
    text = discovery.description(
        TOPICS, "Kitchen", "1.2", present, {"word": "event", "threshold_old": "number"}
    )
    assert text["device"]["identifiers"] == ["kws_kitchen"]
    assert text["origin"] == {"name": "kws-kit", "sw_version": "1.2"}
    assert text["components"]["threshold_old"] == {"platform": "number"}
    assert all("platform" in component for component in text["components"].values())
    assert all("unique_id" in component and component["qos"] == 1 for component in present.values())
    assert TOPICS.discovery == "homeassistant/device/kws_kitchen/config"


# Settings


def test_settings_are_kept_for_their_owner_alone(tmp_path):
    path = tmp_path / "state" / settings.NAME
    told = []
    assert settings.load(path, "kws", told.append) == Settings("kws")
    kept = Settings("kws", "tiny", True).with_threshold("tiny", "größer", 0.25)
    settings.save(path, kept)
    assert path.stat().st_mode & 0o777 == 0o600
    assert settings.load(path, "kws", told.append) == kept
    # Who names another model on the command line wants that one.
    assert settings.load(path, "accurate", told.append) == replace(kept, started_with="accurate", model=None)
    assert told == []


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"muted": true}', "[" * 100_000, '{"a": NaN}', "\udcff"],
)
def test_a_file_of_settings_that_cannot_be_used_is_told_and_not_used(content, tmp_path):
    told = []
    (tmp_path / "mqtt.json").write_bytes(content.encode(errors="surrogateescape"))
    assert settings.load(tmp_path / "mqtt.json", "kws", told.append) == Settings("kws")
    assert len(told) == 1
    assert "mqtt.json: settings are not used" in told[0]


def test_a_threshold_out_of_its_range_is_not_used(tmp_path):
    told = []
    text = json.dumps(
        {"started_with": "kws", "model": None, "muted": False, "thresholds": {"kws": {"go": 7}}}
    )
    (tmp_path / "mqtt.json").write_text(text)
    assert settings.load(tmp_path / "mqtt.json", "kws", told.append) == Settings("kws")
    assert "between 0 and 1" in told[0]


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"STATE_DIRECTORY": "/var/lib/kws-listen:/other"}, "/var/lib/kws-listen"),
        ({"XDG_STATE_HOME": "/home/anna/state"}, "/home/anna/state/kws-listen"),
        ({"XDG_STATE_HOME": "not absolute"}, str(Path.home() / ".local/state/kws-listen")),
    ],
)
def test_state_is_kept_where_the_system_keeps_it(environment, place):
    assert str(settings.folder(environment)) == place


# The sink at a real broker


class Device:
    """A sink that is told of decisions."""

    def __init__(self, folder, url, **options):
        self.told = []
        self.requests = Requests()
        self.clock_s = 0.0
        self.broker = options.pop("broker", None) or broker(url)
        models = {"kws": Spotter.load, "tiny": lambda: Spotter.load("tiny")}
        self.sink = Mqtt(
            self.broker, "kitchen", "1.2", models, "kws", self.requests, folder, self.told.append, self.clock
        )
        self.sink.configured(MANIFEST, False)

    def clock(self):
        return self.clock_s

    def decide(self, keyword=None, end_s=1.0, **changes):
        self.clock_s += 20.0
        scores = {head.name: np.eye(len(head.labels))[0] for head in MANIFEST.heads}
        event = keyword and Event(keyword, 0.9, end_s - 1, end_s, "rain", 0.6)
        decision = Decision(end_s, scores, event, labels=MANIFEST.labels, level_dbfs=-30.0)
        self.sink.decided(replace(decision, **changes), SOURCE)

    def asked(self):
        return list(self.requests.take())

    def close(self):
        self.sink.finished({})


@pytest.fixture
def mosquitto(tmp_path):
    running = Mosquitto(tmp_path).start()
    yield running
    running.kill()


@pytest.fixture
def observer(mosquitto):
    made = Observer(mosquitto.port)
    yield made
    made.close()


@pytest.fixture
def device(mosquitto, observer, tmp_path):
    made = Device(tmp_path / "state", mosquitto.url)
    observer.until(lambda o: o.of(TOPICS.state))
    yield made
    made.close()


@needs_mosquitto
def test_the_whole_device_stands_on_the_broker_for_all_who_come_later(device, mosquitto, observer):
    device.decide("yes")
    device.decide(armed_left_s=2.0)
    observer.until(lambda o: o.of(TOPICS.event) and '"armed": true' in o.of(TOPICS.state)[-1])
    late = Observer(mosquitto.port)
    late.until(lambda o: len(o.messages) == 3)
    late.close()
    assert all(retained for _, _, retained in late.messages)
    described = json.loads(late.of(TOPICS.discovery)[0])
    assert described["components"]["word"]["event_types"] == list(MANIFEST.keywords)
    assert late.of(TOPICS.availability) == ["online"]
    state = json.loads(late.of(TOPICS.state)[0])
    assert {**state, "thresholds": None} == {
        "microphone": "listening",
        "scene": MANIFEST.head("scene").labels[0],
        "level_dbfs": -30.0,
        "armed": True,
        "model": "kws",
        "muted": False,
        "thresholds": None,
    }
    assert state["thresholds"] == MANIFEST.decoder.thresholds
    event = json.loads(observer.of(TOPICS.event)[0])
    assert (event["event_type"], event["score"], event["end_s"]) == ("yes", 0.9, 1.0)
    assert event["source"] == "a microphone"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", event["time"])


@needs_mosquitto
def test_home_assistant_that_starts_is_told_again(device, observer):
    before = len(observer.of(TOPICS.discovery))
    observer.publish("homeassistant/status", "offline")
    observer.publish("homeassistant/status", "online")
    observer.until(lambda o: len(o.of(TOPICS.discovery)) == before + 1)
    observer.until(lambda o: len(o.of(TOPICS.state)) >= 2)


@needs_mosquitto
def test_what_is_set_is_asked_of_the_session(device, observer, tmp_path):
    for name, text in (
        ("mute", "ON"),
        ("arm", "PRESS"),
        ("threshold/yes", "0.25"),
        ("model", "tiny"),
        ("mute", "OFF"),
    ):
        observer.publish(SET + name, text)
    asked = []
    until(lambda: asked.extend(device.asked()) or len(asked) == 5)
    mute, arm, threshold, choice, unmute = asked
    assert (mute, arm, unmute) == (Mute(True), Arm(), Mute(False))
    assert threshold == SetThresholds({"yes": 0.25})
    assert isinstance(choice, Reload)
    tiny = choice.load()
    assert tiny.manifest.name == "tiny"
    device.sink.configured(tiny.manifest, False)
    state = json.loads(observer.until(lambda o: [s for s in o.of(TOPICS.state) if '"tiny"' in s])[0])
    assert state["thresholds"] == {part(w): p for w, p in tiny.manifest.decoder.thresholds.items()}
    path = tmp_path / "state" / settings.NAME
    kept = Settings("kws", "tiny").with_threshold("kws", "yes", 0.25)
    until(lambda: path.exists() and settings.load(path, "kws", print) == kept)


@needs_mosquitto
def test_a_threshold_that_was_set_holds_where_the_model_is_read_again(device, observer):
    observer.publish(SET + "threshold/yes", "0.25")
    asked = []
    until(lambda: asked.extend(device.asked()) or asked)
    as_set = with_thresholds(MANIFEST, {"yes": 0.25})
    device.sink.configured(as_set, False)
    assert device.asked() == []
    device.sink.configured(MANIFEST, False)
    assert device.asked() == [SetThresholds({"yes": 0.25})]


@needs_mosquitto
def test_nonsense_is_told_harmlessly_and_asks_for_nothing(device, observer):
    observer.publish(SET + "mute", "maybe \x1b[2J\n\u202eforged")
    until(lambda: device.told)
    for name, text in (
        ("threshold/yes", "nan"),
        ("threshold/yes", "1.5"),
        ("threshold/yes", "1e999"),
        ("threshold/maybe", "0.5"),
        ("threshold", "0.5"),
        ("model", "/etc/passwd"),
        ("model", ""),
        ("mute", b"\xff\xfe"),
        ("mute", "ON" * 10_000),
        ("odd/{{größe}}/topic", "x"),
        ("", "x"),
    ):
        observer.publish(SET + name, text)
    observer.publish(SET + "arm", "last")
    asked = []
    until(lambda: asked.extend(device.asked()) or asked)
    assert asked == [Arm()]
    assert len(device.told) == 1
    assert device.told[0].isprintable()
    assert "kws/kitchen/set/mute" in device.told[0]


@needs_mosquitto
def test_retained_messages_set_nothing(mosquitto, observer, tmp_path):
    observer.publish(SET + "mute", "ON", retain=True)
    observer.publish(SET + "threshold/yes", "nonsense", retain=True)
    device = Device(tmp_path / "state", mosquitto.url)
    observer.until(lambda o: o.of(TOPICS.state))
    observer.publish(SET + "arm", "PRESS")
    asked = []
    until(lambda: asked.extend(device.asked()) or asked)
    assert (asked, device.told) == ([Arm()], [])
    device.close()


@needs_mosquitto
def test_events_wait_for_a_broker_that_is_away_and_none_is_lost(device, mosquitto, observer):
    device.decide("yes", 1.0)
    observer.until(lambda o: o.of(TOPICS.event))
    mosquitto.kill()
    until(lambda: device.told)
    for n in range(2, 52):
        device.decide("no", float(n))
    mosquitto.start()
    again = Observer(mosquitto.port)
    again.until(lambda o: o.of(TOPICS.event) and json.loads(o.of(TOPICS.event)[-1])["end_s"] == 51)
    # The broker had forgotten all.
    again.until(lambda o: o.of(TOPICS.discovery) and o.of(TOPICS.availability) == ["online"])
    again.close()
    # The first one comes again if the broker died before it acknowledged it.
    heard = [json.loads(text)["end_s"] for text in again.of(TOPICS.event)]
    assert [end_s for end_s in heard if end_s > 1] == list(range(2, 52))
    assert [text.split(": ", 1)[1].split(" (")[0] for text in device.told] == ["away", "connected again"]


@needs_mosquitto
def test_a_device_that_ends_or_dies_is_offline(device, mosquitto, observer, tmp_path, demo):
    device.close()
    observer.until(lambda o: o.of(TOPICS.availability)[-1] == "offline")
    arguments = [LISTEN, "--file", demo / "demo.flac", "--real-time", "--json", "--mqtt", mosquitto.url]
    options = ["--mqtt-name", "kitchen", "--state-dir", tmp_path]
    with subprocess.Popen([*arguments, *options], stdout=subprocess.DEVNULL) as process:
        observer.until(lambda o: o.of(TOPICS.availability)[-1] == "online")
        process.kill()
    observer.until(lambda o: o.of(TOPICS.availability)[-1] == "offline")


@needs_mosquitto
def test_settings_hold_over_a_restart_of_the_listener(mosquitto, observer, demo, tmp_path):
    arguments = [LISTEN, "--file", demo / "demo.flac", "--real-time", "--json", "--mqtt", mosquitto.url]
    arguments += ["--mqtt-name", "kitchen", "--state-dir", tmp_path / "state"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def state(o):
        return json.loads(o.of(TOPICS.state)[-1]) if o.of(TOPICS.state) else {}

    def set_all(o):
        now = state(o)
        return now.get("muted") and now["model"] == "tiny" and now["thresholds"]["yes"] == 0.125

    with subprocess.Popen(arguments, **streams) as process:
        observer.until(state)
        observer.publish(SET + "model", "tiny")
        observer.until(lambda o: state(o)["model"] == "tiny")
        observer.publish(SET + "mute", "ON")
        observer.publish(SET + "threshold/yes", "0.125")
        observer.until(set_all)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0
    observer.messages.clear()
    with subprocess.Popen(arguments, **streams) as process:
        observer.until(set_all)
        observer.until(lambda o: state(o)["level_dbfs"] == -99.0)
        process.send_signal(signal.SIGTERM)
        output, complaint = process.communicate(timeout=30)
    # Muted, it has heard nothing.
    assert [json.loads(line)["type"] for line in output.splitlines()] == ["summary"]
    assert complaint.splitlines() == [complaint.strip()]
    assert "listening with tiny" in complaint


@needs_mosquitto
def test_commands_are_armed_over_the_broker(mosquitto, observer, demo, tmp_path):
    arguments = [LISTEN, "--file", demo / "demo.flac", "--real-time", "--json", "--mqtt", mosquitto.url]
    arguments += ["--mqtt-name", "kitchen", "--state-dir", tmp_path, "--armed-by", "left", "--for", "60"]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
        try:
            described = json.loads(observer.until(lambda o: o.of(TOPICS.discovery))[-1])
            topic = described["components"]["arm"]["command_topic"]
            observer.until(lambda o: o.of(TOPICS.state))
            observer.publish(topic, "PRESS")
            observer.until(lambda o: json.loads(o.of(TOPICS.state)[-1])["armed"])
            # The first words of the recording are no "left".
            event = json.loads(observer.until(lambda o: o.of(TOPICS.event))[0])
            assert event["event_type"] != "left"
            assert event["armed"] is True
        finally:
            process.kill()


@needs_mosquitto
def test_a_wrong_password_is_told_once_and_a_right_one_lets_in(tmp_path):
    passwords = tmp_path / "passwords"
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", passwords, "anna", "s3cret"], check=True, capture_output=True
    )
    guarded = Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}").start()
    device = Device(tmp_path, guarded.url, broker=replace(broker(guarded.url), user="anna", password="wr0ng"))
    try:
        until(lambda: device.told)
        # Long enough for a second attempt.
        threading.Event().wait(1.5)
        assert len(device.told) == 1
        assert re.search(r"away \(refused: (Not authorized|Bad user name or password)\)", device.told[0])
        assert "wr0ng" not in device.told[0]
        right = replace(device.broker, password="s3cret")
        other = Device(tmp_path, guarded.url, broker=right)
        until(lambda: other.sink._connection.is_connected)
        other.close()
        assert other.told == []
    finally:
        device.close()
        guarded.kill()


def make_certificates(folder, name):
    """A certificate for that name, signed by itself."""
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={name}"]
    files = ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "certificate.pem"


@needs_mosquitto
@pytest.mark.parametrize(
    ("name", "trusted", "trouble"),
    [
        ("IP:127.0.0.1", True, None),
        ("IP:127.0.0.1", False, "self.signed certificate"),
        ("DNS:elsewhere.example", True, "IP address mismatch"),
    ],
)
def test_with_tls_the_certificate_must_fit(name, trusted, trouble, tmp_path):
    certificate = make_certificates(tmp_path, name)
    files = [f"certfile {certificate}", f"keyfile {tmp_path / 'key.pem'}"]
    secured = Mosquitto(tmp_path, "allow_anonymous true", *files).start()
    url = secured.url.replace("mqtt://", "mqtts://")
    device = Device(tmp_path, url, broker=broker(url, ca_file=certificate if trusted else None))
    try:
        if trouble is None:
            until(lambda: device.sink._connection.is_connected)
            assert device.told == []
        else:
            until(lambda: device.told)
            assert re.search(trouble, device.told[0])
            assert not device.sink._connection.is_connected
    finally:
        device.close()
        secured.kill()


# What is no broker


@pytest.fixture
def server():
    """Answers every connection with some bytes, and hangs up or waits."""
    listening = socket.create_server(("127.0.0.1", 0))
    answers = SimpleNamespace(port=listening.getsockname()[1], content=b"", waits=False, count=0)
    kept = []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
                answers.count += 1
                connection.sendall(answers.content)
            except OSError:
                return
            if answers.waits:
                kept.append(connection)
            else:
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield answers
    listening.close()
    for connection in kept:
        connection.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes(range(256)),
        b"\x20\xff\xff\xff\xff\xff",
        b"\x20\x03\x00\x87\x00",
        b"\x20\x03\x00\x00\x00" + b"\x32\xff\xff\xff\x7f" + b"x" * 1000,
        b"\xff" * 5000,
    ],
)
def test_a_server_that_talks_nonsense_is_told_and_tried_again(content, server, tmp_path, monkeypatch):
    monkeypatch.setattr(sink_module, "_PATIENCE_S", 0.2)
    server.content = content
    device = Device(tmp_path, f"mqtt://127.0.0.1:{server.port}")
    device.decide("yes")
    try:
        until(lambda: server.count >= 2)
        until(lambda: device.told)
        assert all(text.isprintable() for text in device.told)
        assert device.sink._connection._thread.is_alive()
    finally:
        device.close()


def test_a_broker_that_never_answers_keeps_nobody_waiting_and_the_queue_is_bounded(
    server, tmp_path, monkeypatch
):
    monkeypatch.setattr(sink_module, "_PATIENCE_S", 0.2)
    server.waits = True
    device = Device(tmp_path, f"mqtt://127.0.0.1:{server.port}")
    for n in range(1200):
        device.decide("yes", float(n))
    assert len(device.sink._worker._jobs) == 1000
    assert any("too slow, so one was left out" in text for text in device.told)
    # Of the state, only the newest waits.
    assert len(device.sink._connection._client._out_packet) < 5
    device.close()
    assert device.told[-2].endswith("too slow, so the last 1000 were left out")
    assert device.told[-1].endswith("failed (the broker is away, so one message is lost)")


def test_a_host_that_does_not_exist_is_told_once(tmp_path):
    device = Device(tmp_path, "mqtt://nowhere.invalid")
    until(lambda: device.told)
    assert re.fullmatch(r"mqtt://nowhere.invalid:1883: away \(.*\); trying again", device.told[0])
    device.close()


def test_without_the_extra_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(InputError, match=r"install kws-device\[mqtt\]"):
        Device(tmp_path, "mqtt://home", broker=Broker("home", 1883))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--mqtt", "home"], ["--mqtt", "mqtt://HOST"]),
        (["--mqtt", "mqtt://anna:s3cret@home"], ["--mqtt-password-file FILE"]),
        (["--mqtt-name", "kitchen"], ["--mqtt-name needs --mqtt URL"]),
        (["--state-dir", "x"], ["--state-dir needs --mqtt URL"]),
    ],
)
def test_bad_options_are_named_in_one_line(arguments, words, command, demo):
    result = command("kws-listen", "--file", demo / "demo.flac", *arguments)
    one_line_refusal(result, *words)
    assert "s3cret" not in result.stderr
