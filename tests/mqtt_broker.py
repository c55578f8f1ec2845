"""A real broker, and somebody who listens to all that it has."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(
    PROGRAM is None, reason="needs the broker Mosquitto (apt-get install mosquitto mosquitto-clients)"
)
LONG_S = 30.0


class Mosquitto:
    """A broker on a port of its own, which can be killed and started again."""

    def __init__(self, folder: Path, *settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", *(settings or ["allow_anonymous true"])]
        if os.geteuid() == 0:
            lines.append("user root")
        self._config.write_text("\n".join(lines) + "\n")
        self._process = None

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self):
        self._process = subprocess.Popen(
            [PROGRAM, "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._answers)
        return self

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self):
        assert self._process.poll() is None, "Mosquitto does not start"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


class Observer:
    """Hears everything that is published, and publishes."""

    def __init__(self, port: int) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.messages = []
        self._changed = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._on_message
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("#", 1)
        self._client.loop_start()
        assert subscribed.wait(LONG_S)

    def _on_message(self, client, userdata, message):
        with self._changed:
            self.messages.append(
                (message.topic, message.payload.decode(errors="replace"), bool(message.retain))
            )
            self._changed.notify_all()

    def publish(self, topic, payload, retain=False):
        self._client.publish(topic, payload, 1, retain).wait_for_publish(LONG_S)

    def of(self, topic):
        """The payloads of a topic so far."""
        return [payload for where, payload, _ in self.messages if where == topic]

    def until(self, condition):
        """Wait until it is true of this observer; returns what it says."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), LONG_S), self.messages
        return condition(self)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


def until(condition):
    deadline_s = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
