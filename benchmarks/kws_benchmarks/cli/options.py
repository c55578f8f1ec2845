"""Options that several subcommands of kws-bench share, and their checks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kws_device import InputError
from kws_device._support.command import ArgumentParser

if TYPE_CHECKING:
    from ..playback.room import Room


BACKGROUND_SPLIT = "the split is decided by the names of folders (train, validation, test), else by speaker"


def add_playback(command: ArgumentParser) -> None:
    """Add the options of a loudspeaker and a microphone to a command."""
    command.add_argument(
        "--playback",
        action="store_true",
        help="play all sound over a loudspeaker and record it with a microphone",
    )
    command.add_argument(
        "--speaker", metavar="NAME", help="loudspeaker for --playback: its name or a part of the name"
    )
    command.add_argument(
        "--device", metavar="NAME", help="microphone for --playback: its name or a part of the name"
    )
    command.add_argument("--channel", type=int, metavar="N", help="channel of the microphone, from 1")


def played_in(options: argparse.Namespace) -> Room | None:
    """The room of --playback; None without it. Raises InputError for its other options alone."""
    if options.playback:
        from ..playback.room import Room

        return Room(options.speaker, options.device, options.channel)
    if (options.speaker, options.device, options.channel) != (None, None, None):
        raise InputError("--speaker, --device and --channel need --playback")
    return None


def check_range(option: str, value: float, least: float, most: float) -> None:
    """Raises InputError for an option whose value is outside a range."""
    if not least <= value <= most:
        raise InputError(f"{option} {value:g}: must be from {least:g} to {most:g}")


def cache(options: argparse.Namespace) -> Path:
    """The folder of --cache, or that of the kit."""
    from kws_training.schemes.study.features import default_cache

    chosen: Path = options.cache or default_cache()
    return chosen.resolve()
