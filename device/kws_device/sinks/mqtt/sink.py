"""The MQTT sink: publishes events and state, and accepts settings."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from ..._support.schema import json_text
from ..._support.untrusted_text import printable
from ...arming import always_armed
from ...events import Decision, Event
from ...model.manifest import SCENE_HEAD, Manifest
from ...requests import Arm, Mute, Reload, Requests, SetThresholds
from ...sources import AudioSource
from ...spotter import Spotter
from ..rate_limit import RateLimitedNotes
from ..sink import Sink
from ..worker import Worker
from . import discovery, settings
from .broker import Broker
from .connection import Connection, Message
from .topics import HOME_ASSISTANT_ONLINE, HOME_ASSISTANT_STATUS, Topics, part

_WAITING = 1000
"""Events that may wait for a broker that is away: some hours of them, in half a megabyte."""
_PATIENCE_S = 5.0
"""So long the end waits for the last events to be delivered."""
_CHANGES_S = 1.0
"""The state is published at most so often."""
_LEVEL_S = 10.0
"""The level alone, which always changes, is published so often: the mean over that time."""
_LONGEST_TEXT = 200
"""In characters; a state of Home Assistant has at most 255."""


class Mqtt(Sink):
    """A device on a broker, for Home Assistant and for any other program.

    Events wait for a broker that is away; of the state only the newest is published when it is back. What is
    set over MQTT is asked of the session, and kept in a file.
    """

    def __init__(
        self,
        broker: Broker,
        name: str,
        version: str,
        models: Mapping[str, Callable[[], Spotter]],
        started_with: str,
        requests: Requests,
        folder: Path,
        note: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect, and ask for the settings that were kept.

        Args:
            broker: where to.
            name: of the device, for people; it also makes the topics.
            version: of this software.
            models: what can be chosen, by name.
            started_with: the name of the model that listens at the start, one of these.
            requests: of the session.
            folder: where the settings are kept.
            note: told of trouble.
            clock: monotonic, in seconds.

        Raises:
            InputError: paho-mqtt is not installed.
        """
        self._name, self._version = name, version
        self._models = models
        self._requests = requests
        self._notes = RateLimitedNotes(note)
        self._clock = clock
        self._topics = topics = Topics(part(name))
        self._path = folder / settings.NAME
        self._settings = settings.load(self._path, started_with, note)
        self._lock = threading.RLock()
        self._manifest: Manifest | None = None
        self._called = {"": started_with}
        """By hash of the model: its name. One that was not chosen here is the one of the start."""
        self._platforms: dict[str, str] = {}
        self._state: dict[str, Any] = {
            "microphone": "waiting",
            "scene": None,
            "level_dbfs": None,
            "armed": False,
        }
        self._published: dict[str, Any] = {}
        self._published_s = -math.inf
        self._level = _MeanLevel(clock)
        self._saver = Worker(f"--mqtt {self._path}", self._notes, 2)
        self._connection = Connection(
            broker,
            Message(topics.availability, discovery.OFFLINE, retain=True),
            [topics.command("#"), HOME_ASSISTANT_STATUS],
            self._introduce,
            self._received,
            self._notes,
        )
        self._worker = Worker(f"--mqtt {broker}", self._notes, _WAITING)
        if self._settings.muted:
            requests.put(Mute(True))
        if self._settings.model in models and self._settings.model != started_with:
            requests.put(self._choice(str(self._settings.model)))
        self._connection.start()

    def configured(self, manifest: Manifest, muted: bool) -> None:
        """See Sink."""
        with self._lock:
            changed = self._manifest is None or self._manifest.hash != manifest.hash
            self._manifest = manifest
            model = self._called.get(manifest.hash, self._called[""])
            thresholds = always_armed(manifest).decoder.thresholds
            self._state |= {
                "model": model,
                "muted": muted,
                "thresholds": {part(word): threshold for word, threshold in thresholds.items()},
            }
            if changed:
                if manifest.hash in self._called:
                    # Only now: one that cannot be used is not to be tried again at the next start.
                    self._keep(replace(self._settings, model=model))
                self._introduce()
            else:
                self._publish_state()
            # A model that was read again, or another one, has its own thresholds until these are set.
            kept = self._settings.thresholds.get(model, {})
            if unset := {word: p for word, p in kept.items() if thresholds.get(word, p) != p}:
                self._requests.put(SetThresholds(unset))

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """See Sink."""
        self._level.take(decision.level_dbfs)
        state: dict[str, Any] = {"microphone": printable(source.state)[:_LONGEST_TEXT]}
        if decision.armed_left_s is not None:
            state["armed"] = decision.armed_left_s > 0
        if SCENE_HEAD in decision.scores:
            scene = int(decision.scores[SCENE_HEAD].argmax())
            state["scene"] = decision.labels[SCENE_HEAD][scene]
        with self._lock:
            self._state |= state
            if self._level.is_due():
                self._state["level_dbfs"] = self._level.mean_dbfs()
            if self._state != self._published and self._clock() - self._published_s >= _CHANGES_S:
                self._publish_state()
        if decision.event is not None:
            message = Message(self._topics.event, json_text(payload(decision.event, source.name)))
            self._worker.submit(lambda: self._connection.deliver(message))

    def finished(self, summary: dict[str, Any]) -> None:
        """See Sink."""
        self._worker.close(_PATIENCE_S)
        self._connection.close(Message(self._topics.availability, discovery.OFFLINE, True), _PATIENCE_S)
        self._saver.close(_PATIENCE_S)

    def _introduce(self) -> None:
        """Tell everything: to a broker that is new, or to a Home Assistant that was started."""
        with self._lock:
            if self._manifest is None:
                return
            present = discovery.components(self._topics, self._manifest, self._models)
            self._platforms |= {key: component["platform"] for key, component in present.items()}
            described = discovery.description(
                self._topics, self._name, self._version, present, self._platforms
            )
            self._connection.publish(Message(self._topics.discovery, json_text(described), retain=True))
            self._connection.publish(Message(self._topics.availability, discovery.ONLINE, retain=True))
            self._publish_state()

    def _publish_state(self) -> None:
        self._published, self._published_s = dict(self._state), self._clock()
        self._connection.publish(Message(self._topics.state, json_text(self._state), retain=True))

    def _received(self, topic: str, content: bytes) -> None:
        """Take a message, in the thread of the network; nonsense is noted."""
        text = content.decode(errors="replace")
        if topic == HOME_ASSISTANT_STATUS:
            if text == HOME_ASSISTANT_ONLINE:
                self._introduce()
            return
        with self._lock:
            taken = self._set(topic.removeprefix(self._topics.command("")), text)
        if not taken:
            shown = printable(text[:_LONGEST_TEXT])
            self._notes("nonsense", f"{printable(topic[:_LONGEST_TEXT])}: {shown!r} is nothing to set it to")

    def _set(self, name: str, text: str) -> bool:
        """Ask the session for what was set; False where it is nothing that can be."""
        if name == discovery.MUTE and text in (discovery.ON, discovery.OFF):
            self._keep(replace(self._settings, muted=text == discovery.ON))
            self._requests.put(Mute(text == discovery.ON))
        elif name == discovery.ARM:
            self._requests.put(Arm())
        elif name == discovery.MODEL and text in self._models:
            self._requests.put(self._choice(text))
        elif (word := self._word_of(name)) is not None and (threshold := _threshold(text)) is not None:
            self._keep(self._settings.with_threshold(self._state["model"], word, threshold))
            self._requests.put(SetThresholds({word: threshold}))
        else:
            return False
        return True

    def _word_of(self, name: str) -> str | None:
        words = self._manifest.keywords if self._manifest else ()
        return next((word for word in words if discovery.threshold(word) == name), None)

    def _choice(self, model: str) -> Reload:
        return Reload(partial(self._load, model))

    def _load(self, model: str) -> Spotter:
        spotter = self._models[model]()
        with self._lock:
            self._called[spotter.manifest.hash] = model
        return spotter

    def _keep(self, changed: settings.Settings) -> None:
        if changed != self._settings:
            self._settings = changed
            self._saver.submit(lambda: settings.save(self._path, self._settings))


def payload(event: Event, source: str) -> dict[str, Any]:
    """An event as Home Assistant takes it: its type is the keyword, all else are attributes."""
    fields = {name: value for name, value in vars(event).items() if name != "keyword"}
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    return {"event_type": event.keyword, **fields, "source": source, "time": now}


def _threshold(text: str) -> float | None:
    try:
        threshold = float(text)
    except ValueError:
        return None
    return threshold if 0 <= threshold <= 1 else None


class _MeanLevel:
    """The mean power of a while, as a level."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since_s = -math.inf
        self._powers: list[float] = []

    def take(self, level_dbfs: float) -> None:
        self._powers.append(10 ** (level_dbfs / 10))

    def is_due(self) -> bool:
        return self._clock() - self._since_s >= _LEVEL_S

    def mean_dbfs(self) -> float:
        """The level since this was asked last."""
        mean = sum(self._powers) / len(self._powers)
        self._since_s = self._clock()
        self._powers = []
        return round(10 * math.log10(mean), 1)
