"""kws-bench speed, kws-bench pi and kws-bench soak."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kws_device import InputError

from . import summaries
from .options import cache
from .output import print_report, show


def add_speed(commands: Any) -> None:
    """Add the command speed to those of kws-bench."""
    speed = commands.add_parser(
        "speed",
        help="CPU time, memory and start-up on this machine",
        description="Measure CPU time with one thread, memory and start-up time.",
    )
    speed.set_defaults(run=_speed)
    speed.add_argument("--peers", action="store_true", help="measure other keyword spotters, too")
    speed.add_argument(
        "--speech", type=Path, metavar="FILE|DIR", help="speech to listen to (default: the demo recording)"
    )
    speed.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="seconds of speech in one pass (60)"
    )
    speed.add_argument("--rounds", type=int, default=5, metavar="N", help="number of passes (5)")
    speed.add_argument(
        "--cache", type=Path, metavar="DIR", help="folder for the environments of other engines"
    )
    speed.add_argument("--json", action="store_true", help="print the figures as JSON on stdout")


def add_pi(commands: Any) -> None:
    """Add the command pi to those of kws-bench."""
    pi = commands.add_parser(
        "pi",
        help="scores, events and instructions on an emulated Raspberry Pi",
        description="Run the device package on an emulated Raspberry Pi. Compare its scores and events with "
        "those on this machine, and count instructions. A Debian for the Pi is set up in the cache once.",
    )
    pi.set_defaults(run=_pi)
    pi.add_argument(
        "--cpu",
        choices=("a53", "a72", "a76"),
        default="a53",
        help="processor: a53 is in the Zero 2 W and 3, a72 in the 4, a76 in the 5 (a53)",
    )
    pi.add_argument(
        "--suite", choices=("bookworm", "trixie"), default="bookworm", help="release of Debian (bookworm)"
    )
    pi.add_argument(
        "--wheel", type=Path, metavar="FILE", help="wheel of the device package (default: build one)"
    )
    pi.add_argument("--mirror", metavar="URL", help="mirror of Debian (default: the one that apt uses)")
    pi.add_argument(
        "--cache", type=Path, metavar="DIR", help="folder for the Debian and the packages of the Pi"
    )
    pi.add_argument("--json", action="store_true", help="print the figures as JSON on stdout")


def add_soak(commands: Any) -> None:
    """Add the command soak to those of kws-bench."""
    soak = commands.add_parser(
        "soak",
        help="many hours of sound with faults: memory, lost events, drift",
        description="Listen to hours of sound, faster than real time, with faults and reloads. "
        "Measure memory, lost events and drift.",
    )
    soak.set_defaults(run=_soak)
    soak.add_argument("--hours", type=float, required=True, metavar="N", help="hours of sound")
    soak.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed for noise, block sizes and faults (1)"
    )
    soak.add_argument("--json", action="store_true", help="print the figures as JSON on stdout")


def _speed(options: argparse.Namespace) -> int:
    if not 1 <= options.seconds <= 3600:
        raise InputError(f"--seconds {options.seconds:g}: must be from 1 to 3600")
    if options.rounds < 1:
        raise InputError(f"--rounds {options.rounds}: must be at least 1")

    from ..speed.cpu_time import speed

    peers = cache(options) / "peers" if options.peers else None
    report = speed(options.model, options.speech, options.seconds, options.rounds, peers)
    show(summaries.speed(report))
    return print_report(report, options.json)


def _pi(options: argparse.Namespace) -> int:
    from ..pi.emulation import Pi, measure

    pi = Pi(options.cpu, options.suite, cache(options) / "pi", options.wheel, options.mirror)
    report = measure(options.model, pi)
    show(summaries.pi(report))
    return print_report(report, options.json)


def _soak(options: argparse.Namespace) -> int:
    if not 0 < options.hours <= 24 * 366:
        raise InputError(f"--hours {options.hours:g}: must be above zero and at most one year")

    from ..soak.endurance import soak

    report = soak(options.model, options.hours, options.seed)
    show(summaries.soak(report))
    return print_report(report, options.json)
