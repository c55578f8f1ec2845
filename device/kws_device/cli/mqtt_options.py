"""The options of MQTT, and the sink that they create."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._support.command import ArgumentParser, check_alone
from ..model import model_file
from ..model.engine import kinds
from ..requests import Requests
from ..spotter import Spotter

if TYPE_CHECKING:
    from ..sinks import Sink


def add_mqtt(parser: ArgumentParser) -> None:
    """Add --mqtt and what belongs to it."""
    group = parser.add_argument_group(
        "MQTT", "events, state and settings on a broker, found by Home Assistant"
    )
    group.add_argument("--mqtt", metavar="URL", help="mqtt://[USER@]HOST[:PORT], or mqtts:// for TLS")
    group.add_argument("--mqtt-user", metavar="USER", help="user, instead of that of the URL")
    group.add_argument(
        "--mqtt-password-file", type=Path, metavar="FILE", help="file whose first line is the password"
    )
    group.add_argument(
        "--mqtt-ca", type=Path, metavar="FILE", help="certificate (PEM) that signs the broker's, for mqtts://"
    )
    group.add_argument("--mqtt-name", metavar="NAME", help="name of the device (default: name of the host)")
    group.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="folder that keeps what is set over MQTT (default: $STATE_DIRECTORY, else the XDG state folder)",
    )


def mqtt_sinks(
    options: Any, load: Callable[[str | None], Spotter], requests: Requests, note: Callable[[str], None]
) -> list[Sink]:
    """The sink that the options ask for, if they do; it connects at once.

    Args:
        options: of the command line.
        load: makes a spotter from a model file or a shipped model's name; None: the one of the start.
        requests: of the session.
        note: told of trouble.

    Raises:
        InputError: options that do not fit, or paho-mqtt is not installed.
    """
    if options.mqtt is None:
        others = ("mqtt_user", "mqtt_password_file", "mqtt_ca", "mqtt_name", "state_dir")
        check_alone(options, others, "--mqtt URL")
        return []
    # paho-mqtt is an extra, and nobody else waits for it.
    from .. import __version__
    from ..sinks.mqtt import settings
    from ..sinks.mqtt.broker import broker
    from ..sinks.mqtt.sink import Mqtt

    own = model_file.find(options.model, kinds(options.engine))
    started_with = own.stem if model_file.is_shipped(own) else own.name
    models: dict[str, Callable[[], Spotter]] = {
        name: partial(load, name) for name in model_file.shipped(kinds(options.engine))
    }
    models[started_with] = partial(load, None)
    return [
        Mqtt(
            broker(options.mqtt, options.mqtt_user, options.mqtt_password_file, options.mqtt_ca),
            options.mqtt_name or socket.gethostname(),
            __version__,
            models,
            started_with,
            requests,
            options.state_dir or settings.folder(),
            note,
        )
    ]
