"""kws-bench: what a model is worth, and what it costs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kws_device import InputError
from kws_device._support.command import ArgumentParser, run
from kws_device._support.errors import RequirementError
from kws_device._support.schema import json_text
from kws_device._support.untrusted_text import printable
from kws_device.cli.arming_options import add_arming, arming_options
from kws_training.loop.threads import keep_products_small

from . import summaries

if TYPE_CHECKING:
    from ..playback.room import Room


_BACKGROUND_SPLIT = "the split is decided by the names of folders (train, validation, test), else by speaker"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-bench",
        description="Measure models as they run on the device: accuracy, false accepts, latency, cost.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_add_robustness, _add_compare, _add_stream, _add_speed, _add_pi, _add_soak):
        add(commands)
    for name, command in commands.choices.items():
        if name not in ("robustness", "compare"):
            command.add_argument(
                "--model", metavar="FILE|NAME", help="model to measure (default: that of kws-listen)"
            )
    return parser


def _add_robustness(commands: Any) -> None:
    robustness = commands.add_parser(
        "robustness",
        help="accuracy clean, in scenes, in noise and with other changes; writes the report page",
    )
    robustness.set_defaults(run=_robustness)
    robustness.add_argument("--speech", type=Path, metavar="DIR", help="folder of words")
    robustness.add_argument("--scenes", type=Path, metavar="DIR", help="folder of scenes")
    robustness.add_argument(
        "--noise",
        type=Path,
        metavar="DIR",
        help=f"folder of background sound without labels; {_BACKGROUND_SPLIT}",
    )
    robustness.add_argument(
        "--split", choices=("validation", "test", "all"), required=True, help="part of the data to use"
    )
    robustness.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder of the report")
    robustness.add_argument(
        "--model",
        nargs="+",
        metavar="FILE|NAME|RUN",
        help="models or runs of kws-train (default: the model of kws-listen); several: side by side",
    )
    robustness.add_argument(
        "--add",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="JSON of kws-bench speed, stream, pi or kws-train study for the page; those in --out are found",
    )
    robustness.add_argument(
        "--snr",
        type=float,
        nargs="+",
        default=[20, 10, 5, 0, -5],
        metavar="DB",
        help="signal-to-noise ratios of the mixed sets (20 10 5 0 -5)",
    )
    robustness.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="use only N clips, drawn with a fixed seed and balanced by class",
    )
    robustness.add_argument(
        "--require",
        nargs="+",
        default=[],
        metavar="SET=ACCURACY",
        help="lowest accuracy of a set, else exit code 3; for example clean=.95 snr10=.93 scene-clean=.7",
    )
    _add_playback(robustness)


def _add_playback(command: ArgumentParser) -> None:
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


def _add_compare(commands: Any) -> None:
    compare = commands.add_parser(
        "compare",
        help="differences between two reports that are beyond chance",
        description="Compare two reports of kws-bench robustness on the same clips.",
    )
    compare.set_defaults(run=_compare)
    compare.add_argument("a", type=Path, metavar="A", help="folder of a report")
    compare.add_argument("b", type=Path, metavar="B", help="folder of the report to compare with A")
    compare.add_argument("--json", action="store_true", help="print the figures as JSON on stdout")


def _add_stream(commands: Any) -> None:
    stream = commands.add_parser(
        "stream",
        help="words heard, false accepts per hour and latency on continuous sound; tunes thresholds",
        description="Words are placed over noise and over speech. False accepts are counted in the same "
        "sound without placed words. The model listens as on the device.",
    )
    stream.set_defaults(run=_stream)
    stream.add_argument(
        "--speech",
        type=Path,
        metavar="DIR",
        help="folder of words; without it only false accepts are counted",
    )
    stream.add_argument(
        "--negatives",
        nargs="+",
        action="extend",
        required=True,
        metavar="[NAME=]DIR",
        help="folders of speech; each is a background of its own, those with the same NAME are one; "
        + _BACKGROUND_SPLIT,
    )
    stream.add_argument(
        "--noise",
        nargs="+",
        action="extend",
        default=[],
        metavar="[NAME=]DIR",
        help="folders of noise and music, in the same way",
    )
    stream.add_argument(
        "--mask",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="CSV: what is said when (recording, start_s, end_s, word); masks.csv in a DIR is found",
    )
    stream.add_argument(
        "--peer",
        metavar="NAME:WORD",
        help="measure another engine instead, for example pymicro-wakeword:alexa",
    )
    stream.add_argument(
        "--cache", type=Path, metavar="DIR", help="folder for the environments of other engines"
    )
    stream.add_argument(
        "--snr", type=float, default=10.0, metavar="DB", help="signal-to-noise ratio of placed words (10)"
    )
    stream.add_argument(
        "--split", choices=("validation", "test", "all"), required=True, help="part of the data to use"
    )
    stream.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder of the report")
    stream.add_argument(
        "--seed", type=int, default=1, metavar="N", help="seed for the order and places of words (1)"
    )
    stream.add_argument(
        "--pitch", type=float, default=6.0, metavar="S", help="mean time between words, in seconds (6)"
    )
    stream.add_argument(
        "--passes",
        type=int,
        default=1,
        metavar="N",
        help="use the sound N times, each time with other words (1)",
    )
    stream.add_argument(
        "--tune",
        type=float,
        metavar="FA_PER_HOUR",
        help="write the best thresholds for this many false accepts per hour into the model file",
    )
    stream.add_argument(
        "--tune-also",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="write the thresholds into these files of the same model, too",
    )
    add_arming(stream)
    _add_playback(stream)


def _add_speed(commands: Any) -> None:
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


def _add_pi(commands: Any) -> None:
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


def _add_soak(commands: Any) -> None:
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


def _robustness(options: argparse.Namespace) -> int:
    requirements = _requirements(options.require)
    if options.limit is not None and options.limit < 1:
        raise InputError(f"--limit {options.limit}: must be at least 1")
    if not all(abs(snr_db) <= 100 for snr_db in options.snr):
        raise InputError(f"--snr {' '.join(map(str, options.snr))}: must be from -100 to 100 dB")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from kws_training.data.corpus import Folders

    from ..report.reports import report
    from ..robustness.evaluate import Plan
    from ..robustness.requirements import shortfalls

    folders = Folders(speech=options.speech, scenes=options.scenes, noise=options.noise)
    plan = Plan(folders, options.split, list(dict.fromkeys(options.snr)), options.limit, _room(options))
    short = []
    for name, result in report(options.model, plan, options.add, options.out).items():
        _show(summaries.robustness(result.report, name))
        short += [f"{name}: {line}" if name else line for line in shortfalls(result.report, requirements)]
    if short:
        raise RequirementError(f"--require is not met: {'; '.join(short)}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from ..robustness.compare import compare

    found = compare(options.a, options.b)
    _show(summaries.compare(found))
    return _print(found, options.json)


def _requirements(texts: list[str]) -> dict[str, float]:
    requirements = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            requirements[name] = float(value)
        except ValueError:
            raise InputError(f"--require {text}: write SET=ACCURACY, for example snr10=.93") from None
    return requirements


def _stream(options: argparse.Namespace) -> int:
    _check_range("--snr", options.snr, -60, 60)
    _check_range("--pitch", options.pitch, 1, 3600)
    _check_range("--passes", options.passes, 1, 1000)
    if options.tune is not None:
        _check_range("--tune", options.tune, 0.001, 3600)
    elif options.tune_also:
        raise InputError("--tune-also needs --tune FA_PER_HOUR")
    if options.peer is not None and (options.model, options.tune, options.armed_by) != (None, None, None):
        raise InputError("--peer measures another engine; leave out --model, --tune and --armed-by")
    room = _room(options)

    from ..peers import environments
    from ..stream.backgrounds import sources
    from ..stream.benchmark import Tuning, stream, stream_of_peer
    from ..stream.session import Plan

    named = sources([*options.negatives, *options.noise])
    plan = Plan(
        options.speech,
        named[: len(options.negatives)],
        named[len(options.negatives) :],
        options.split,
        options.snr,
        options.seed,
        options.pitch,
        options.passes,
        options.mask,
    )
    if options.peer is not None:
        peer, word = environments.find(options.peer)
        report = stream_of_peer(peer, word, _cache(options) / "peers", plan, options.out, room)
    else:
        tuning = None if options.tune is None else Tuning(options.tune, options.tune_also)
        report = stream(options.model, plan, options.out, tuning, room, arming_options(options))
    _show(summaries.stream(report))
    return 0


def _room(options: argparse.Namespace) -> Room | None:
    if options.playback:
        from ..playback.room import Room

        return Room(options.speaker, options.device, options.channel)
    if (options.speaker, options.device, options.channel) != (None, None, None):
        raise InputError("--speaker, --device and --channel need --playback")
    return None


def _check_range(option: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise InputError(f"{option} {value:g}: must be from {least:g} to {most:g}")


def _speed(options: argparse.Namespace) -> int:
    if not 1 <= options.seconds <= 3600:
        raise InputError(f"--seconds {options.seconds:g}: must be from 1 to 3600")
    if options.rounds < 1:
        raise InputError(f"--rounds {options.rounds}: must be at least 1")

    from ..speed.cpu_time import speed

    peers = _cache(options) / "peers" if options.peers else None
    report = speed(options.model, options.speech, options.seconds, options.rounds, peers)
    _show(summaries.speed(report))
    return _print(report, options.json)


def _pi(options: argparse.Namespace) -> int:
    from ..pi.emulation import Pi, measure

    pi = Pi(options.cpu, options.suite, _cache(options) / "pi", options.wheel, options.mirror)
    report = measure(options.model, pi)
    _show(summaries.pi(report))
    return _print(report, options.json)


def _soak(options: argparse.Namespace) -> int:
    if not 0 < options.hours <= 24 * 366:
        raise InputError(f"--hours {options.hours:g}: must be above zero and at most one year")

    from ..soak.endurance import soak

    report = soak(options.model, options.hours, options.seed)
    _show(summaries.soak(report))
    return _print(report, options.json)


def _cache(options: argparse.Namespace) -> Path:
    from kws_training.schemes.study.features import default_cache

    chosen: Path = options.cache or default_cache()
    return chosen.resolve()


def _show(text: list[str]) -> None:
    for line in text:
        print(printable(line), file=sys.stderr)


def _print(report: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print(json_text(report))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the command; raises InputError for bad input, RequirementError for an unmet --require."""
    keep_products_small()
    options = _parser().parse_args(argv)
    code: int = options.run(options)
    return code


def entry() -> None:
    """The console script."""
    run(main)
