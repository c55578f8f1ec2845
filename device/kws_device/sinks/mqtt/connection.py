"""A connection to a broker that reconnects by itself."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._support.errors import InputError
from ..rate_limit import RateLimitedNotes
from .broker import Broker

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

_KEEPALIVE_S = 30
"""A broker that says nothing for half as long again is taken for dead."""
_CONNECT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_LARGEST_MESSAGE = 1 << 16
"""In bytes: the broker is asked to keep larger ones to itself."""
_ACKNOWLEDGED = 1000
_TICK_S = 1.0
"""So often it is seen to that the broker is still there."""
_AT_LEAST_ONCE = 1


@dataclass(frozen=True)
class Message:
    """What is published."""

    topic: str
    payload: str
    retain: bool = False


class Connection:
    """Connects, and connects again with ever longer pauses, in a thread of its own.

    Trouble is noted once, until it changes or the broker is back.
    """

    def __init__(
        self,
        broker: Broker,
        will: Message,
        topics: Sequence[str],
        connected: Callable[[], None],
        received: Callable[[str, bytes], None],
        notes: RateLimitedNotes,
    ) -> None:
        """Prepare; `start` connects.

        Args:
            broker: where to.
            will: what the broker publishes for us when we vanish.
            topics: what to subscribe to. Retained messages of these are not wanted.
            connected: called after each connection, in the thread of the network.
            received: called with topic and payload of each message, in the thread of the network.
            notes: told of trouble, and of its end.

        Raises:
            InputError: paho-mqtt is not installed.
        """
        self._broker = broker
        self._topics = topics
        self._connected = connected
        self._received = received
        self._notes = notes
        self._changed = threading.Condition()
        self._closed = False
        self._is_connected = False
        self._acknowledged: deque[int] = deque(maxlen=_ACKNOWLEDGED)
        self._trouble = ""
        self._told = ""
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._client = self._make_client(will)
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted us and is still there, as far as is known."""
        return self._is_connected

    def publish(self, message: Message) -> None:
        """Publish if we are connected, at most once; never waits."""
        if self._is_connected:
            self._client.publish(message.topic, message.payload, retain=message.retain)

    def deliver(self, message: Message) -> None:
        """Publish and wait until the broker has it, however long it is away.

        Raises:
            ConnectionAbortedError: `close` was called before.
        """
        published = self._client.publish(message.topic, message.payload, _AT_LEAST_ONCE, message.retain)
        with self._changed:
            self._changed.wait_for(lambda: self._closed or published.mid in self._acknowledged)
            if published.mid not in self._acknowledged:
                raise ConnectionAbortedError("the broker is away, so one message is lost")

    def close(self, last: Message, timeout_s: float) -> None:
        """Deliver a last message, if the broker is there, and leave."""
        deadline_s = time.monotonic() + timeout_s
        if self._is_connected:
            mid = self._client.publish(last.topic, last.payload, _AT_LEAST_ONCE, last.retain).mid
            with self._changed:
                self._changed.wait_for(lambda: mid in self._acknowledged, timeout_s)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._client.disconnect()
        self._thread.join(max(0.0, deadline_s - time.monotonic()))

    def _make_client(self, will: Message) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
        except ImportError as error:
            raise InputError(f"--mqtt needs paho-mqtt; install kws-device[mqtt] ({error})") from error
        # A name of its own each time: of two clients of one name the broker would throw out the first.
        client = Client(
            CallbackAPIVersion.VERSION2,
            f"kws-{uuid.uuid4().hex[:16]}",
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_S
        client.username_pw_set(self._broker.user, self._broker.password)
        client.will_set(will.topic, will.payload, _AT_LEAST_ONCE, will.retain)
        if self._broker.tls is not None:
            client.tls_set_context(self._broker.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        # Who publishes only queues; with this, paho leaves all writing to the thread of the network.
        client.on_socket_register_write = lambda *_: self._wake()
        return client

    def _wake(self) -> None:
        """Let the thread of the network write at once, from any thread."""
        with suppress(BlockingIOError):  # it has been woken often enough
            self._waker.send(b"w")

    def _run(self) -> None:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = _LARGEST_MESSAGE
        pause_s = _FIRST_PAUSE_S
        while not self._closed:
            self._trouble = "it closes the connection"
            try:
                self._client.connect(
                    self._broker.host,
                    self._broker.port,
                    _KEEPALIVE_S,
                    clean_start=True,
                    properties=properties,
                )
                self._serve()
            except OSError as error:
                self._trouble = _reason(error)
            except Exception as error:  # of a broker that does not keep to the protocol
                self._trouble = f"{type(error).__name__}: {error}"
            if self._is_connected:
                self._is_connected, pause_s = False, _FIRST_PAUSE_S
            if not self._closed:
                self._tell(self._trouble)
            with self._changed:
                self._changed.wait_for(lambda: self._closed, pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _serve(self) -> None:
        """Read and write until the connection is gone.

        paho's own loop would end its thread by whatever a strange broker raises in it.
        """
        while (connection := self._client.socket()) is not None:
            encrypted = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
            writing = [connection] if self._client.want_write() else []
            readable, writable, _ = select.select(
                [connection, self._woken], writing, [], 0 if encrypted else _TICK_S
            )
            woken = self._woken in readable and bool(self._woken.recv(4096))
            if (connection in readable or encrypted) and self._client.loop_read():
                return
            if (writable or woken) and self._client.loop_write():
                return
            if self._client.loop_misc():
                return

    def _tell(self, trouble: str) -> None:
        """Note trouble, or with an empty text its end, if it is news."""
        if trouble != self._told:
            self._told = trouble
            text = f"away ({trouble}); trying again" if trouble else "connected again"
            self._notes(trouble or "connected", f"{self._broker}: {text}")

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        from paho.mqtt.subscribeoptions import SubscribeOptions

        if reason.is_failure:
            self._trouble = f"refused: {reason}"
            return
        self._is_connected = True
        self._tell("")
        options = SubscribeOptions(_AT_LEAST_ONCE, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        if self._topics:
            client.subscribe([(topic, options) for topic in self._topics])
        self._connected()

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if self._is_connected:
            self._trouble = (
                str(reason) if flags.is_disconnect_packet_from_server else "the connection is lost"
            )

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        if not message.retain:
            self._received(message.topic, bytes(message.payload))

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._notes("refused", f"{self._broker}: does not take a message ({reason}); look at its rules")
        with self._changed:
            self._acknowledged.append(mid)
            self._changed.notify_all()


def _reason(error: OSError) -> str:
    """Of a certificate, what is wrong with it; else what the system says."""
    return str(getattr(error, "verify_message", None) or error.strerror or error)
