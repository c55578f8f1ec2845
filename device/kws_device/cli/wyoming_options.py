"""The options of the Wyoming service, and the service that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from .._support.command import ArgumentParser, check_alone
from .._support.errors import InputError
from ..model.model_file import ModelFile
from ..spotter import Spotter

_WITHOUT = ("device", "file", "stdin", "channel", "wait", "mqtt", "save_clips", "exec", "json")
"""Options about a microphone of this machine or about its events: a service has neither."""


def add_wyoming(parser: ArgumentParser) -> None:
    """Add --wyoming and what belongs to it."""
    group = parser.add_argument_group(
        "Wyoming", "a wake-word service for Home Assistant; the sound comes from its clients"
    )
    group.add_argument("--wyoming", metavar="URL", help="serve at tcp://HOST:PORT, unix://PATH or stdio://")
    group.add_argument(
        "--wyoming-models", type=Path, metavar="DIR", help="offer the model files of this folder, too"
    )
    group.add_argument(
        "--zeroconf", metavar="NAME", help="announce the service in the local network by this name"
    )


def serve_wyoming(
    options: Any,
    first: Callable[[], ModelFile],
    load: Callable[[Path], ModelFile],
    note: Callable[[str], None],
) -> bool:
    """Serve, if the options ask for it, until the service ends.

    Args:
        options: of the command line.
        first: reads the model of the command line.
        load: reads and tries any other model file.
        note: is told of what people should know.

    Returns:
        whether there was a service.

    Raises:
        InputError: options that do not fit, an address that cannot be used, or `wyoming` is not installed.
    """
    if options.wyoming is None:
        check_alone(options, ("wyoming_models", "zeroconf"), "--wyoming URL")
        return False
    for name in _WITHOUT:
        if getattr(options, name):
            raise InputError(f"--{name.replace('_', '-')} does not go with --wyoming; leave one out")
    # An extra, for which nobody else waits.
    try:
        if options.zeroconf is not None:
            import_module("zeroconf")
        from .. import __version__
        from ..services.wyoming.address import parsed
        from ..services.wyoming.models import Models, Word
        from ..services.wyoming.server import Server
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package not in ("wyoming", "zeroconf"):
            raise
        raise InputError(
            f"--{package} needs the package {package}; pip install 'kws-device[wyoming]'"
        ) from error

    def spotter(word: Word) -> Spotter:
        return Spotter.of(word.file, None, options.engine, options.skip_silence)

    address = parsed(options.wyoming)
    if options.zeroconf is not None and address.port is None:
        raise InputError("--zeroconf announces a service over TCP; give --wyoming tcp://HOST:PORT")
    models = Models(first(), options.wyoming_models, load, note, __version__)
    Server(address, models, spotter, note, options.zeroconf).run()
    return True
