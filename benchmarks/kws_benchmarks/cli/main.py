"""kws-bench: what a model is worth, and what it costs."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kws_device.command import ArgumentParser, run
from kws_device.errors import InputError, RequirementError
from kws_device.strict import json_text
from kws_device.untrusted_text import printable
from kws_training.loop.threads import keep_products_small

from . import summaries

if TYPE_CHECKING:
    from ..playback.room import Room


_BACKGROUND_SPLIT = "its part for --split is chosen by name of folder (train, validation, test), else by rank"


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="kws-bench", description="Measure a model through the device's own path.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_add_robustness, _add_compare, _add_stream, _add_speed, _add_pi, _add_soak):
        add(commands)
    for name, command in commands.choices.items():
        if name not in ("robustness", "compare"):
            command.add_argument("--model", metavar="FILE|NAME", help="instead of the shipped one")
    return parser


def _add_robustness(commands: Any) -> None:
    robustness = commands.add_parser("robustness", help="accuracy on clean and on mixed test sets")
    robustness.set_defaults(run=_robustness)
    robustness.add_argument("--speech", type=Path, metavar="DIR", help="words")
    robustness.add_argument("--scenes", type=Path, metavar="DIR", help="scenes")
    robustness.add_argument(
        "--noise", type=Path, metavar="DIR", help=f"backgrounds without labels; {_BACKGROUND_SPLIT}"
    )
    robustness.add_argument("--split", choices=("validation", "test", "all"), required=True)
    robustness.add_argument("--out", type=Path, metavar="DIR", required=True)
    robustness.add_argument(
        "--model",
        nargs="+",
        metavar="FILE|NAME|RUN",
        help="instead of the shipped one; runs of kws-train too; several: side by side",
    )
    robustness.add_argument(
        "--add",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="JSON of speed, stream, pi or kws-train study for the report; those in --out are found",
    )
    robustness.add_argument(
        "--snr", type=float, nargs="+", default=[20, 10, 5, 0, -5], metavar="DB", help="of the mixed sets"
    )
    robustness.add_argument("--limit", type=int, metavar="N", help="a seeded draw, balanced by class")
    robustness.add_argument(
        "--require",
        nargs="+",
        default=[],
        metavar="SET=ACCURACY",
        help="exit code 3 where a figure falls short, for example clean=.95 snr10=.93 scene-clean=.7",
    )
    _add_playback(robustness)


def _add_playback(command: ArgumentParser) -> None:
    command.add_argument("--playback", action="store_true", help="over a loudspeaker into a microphone")
    command.add_argument("--speaker", metavar="NAME", help="loudspeaker, by its name or a part of it")
    command.add_argument("--device", metavar="NAME", help="microphone, by its name or a part of it")
    command.add_argument("--channel", type=int, metavar="N", help="of the microphone, from 1")


def _add_compare(commands: Any) -> None:
    compare = commands.add_parser(
        "compare",
        help="what got better or worse beyond chance, from one report to another",
        description="Two reports of kws-bench robustness on the same clips.",
    )
    compare.set_defaults(run=_compare)
    compare.add_argument("a", type=Path, metavar="A", help="folder of a report")
    compare.add_argument("b", type=Path, metavar="B", help="folder of the report that is held against it")
    compare.add_argument("--json", action="store_true", help="the figures on stdout")


def _add_stream(commands: Any) -> None:
    stream = commands.add_parser(
        "stream",
        help="placed words, and hours of sound without them: misses, false accepts per hour, latency",
        description="Words are placed over noise and over speech; false accepts are counted in the same "
        "sound without them. All of it goes through the device's own path.",
    )
    stream.set_defaults(run=_stream)
    stream.add_argument("--speech", type=Path, metavar="DIR", help="words; without, only false accepts count")
    stream.add_argument(
        "--negatives",
        nargs="+",
        action="extend",
        required=True,
        metavar="[NAME=]DIR",
        help="speech, each DIR a background of its own, those of the same NAME one together; "
        + _BACKGROUND_SPLIT,
    )
    stream.add_argument(
        "--noise",
        nargs="+",
        action="extend",
        default=[],
        metavar="[NAME=]DIR",
        help="noise and music, in the same way",
    )
    stream.add_argument(
        "--mask",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="CSV of what is said when (recording, start_s, end_s, word); masks.csv in a DIR is found",
    )
    stream.add_argument("--peer", metavar="NAME:WORD", help="another engine instead of a model of ours")
    stream.add_argument("--cache", type=Path, metavar="DIR", help="of the peers' environments")
    stream.add_argument(
        "--snr", type=float, default=10.0, metavar="DB", help="of placed words over what is under them (10)"
    )
    stream.add_argument("--split", choices=("validation", "test", "all"), required=True)
    stream.add_argument("--out", type=Path, metavar="DIR", required=True)
    stream.add_argument("--seed", type=int, default=1, metavar="N", help="of the words' order and places (1)")
    stream.add_argument("--pitch", type=float, default=6.0, metavar="S", help="mean time between words (6)")
    stream.add_argument(
        "--passes", type=int, default=1, metavar="N", help="more placed words in the same sound (1)"
    )
    stream.add_argument(
        "--tune",
        type=float,
        metavar="FA_PER_HOUR",
        help="write the best thresholds for it into the model file",
    )
    stream.add_argument(
        "--tune-also",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="and into files of the same model",
    )
    _add_playback(stream)


def _add_speed(commands: Any) -> None:
    speed = commands.add_parser(
        "speed", help="CPU time, memory and start-up on this machine", description="One thread, CPU time."
    )
    speed.set_defaults(run=_speed)
    speed.add_argument("--peers", action="store_true", help="measure other spotters beside it")
    speed.add_argument("--speech", type=Path, metavar="FILE|DIR", help="instead of the demo recording")
    speed.add_argument("--seconds", type=float, default=60.0, metavar="S", help="of speech in a pass (60)")
    speed.add_argument("--rounds", type=int, default=5, metavar="N", help="passes of everything (5)")
    speed.add_argument("--cache", type=Path, metavar="DIR", help="of the peers' environments")
    speed.add_argument("--json", action="store_true", help="the figures on stdout")


def _add_pi(commands: Any) -> None:
    pi = commands.add_parser(
        "pi",
        help="the device's wheel on an emulated Raspberry Pi",
        description="Scores and events against those here, and instructions. Sets up a Debian of the Pi's "
        "architecture in the cache (once, some seconds).",
    )
    pi.set_defaults(run=_pi)
    pi.add_argument("--cpu", choices=("a53", "a72", "a76"), default="a53", help="Zero 2 W and 3, 4, 5 (a53)")
    pi.add_argument("--suite", choices=("bookworm", "trixie"), default="bookworm", help="Debian (bookworm)")
    pi.add_argument("--wheel", type=Path, metavar="FILE", help="of the device, instead of one made here")
    pi.add_argument("--mirror", metavar="URL", help="of Debian, instead of the one that apt uses")
    pi.add_argument("--cache", type=Path, metavar="DIR", help="of the Pi's Debian and packages")
    pi.add_argument("--json", action="store_true", help="the figures on stdout")


def _add_soak(commands: Any) -> None:
    soak = commands.add_parser(
        "soak",
        help="hours of sound as fast as they go, with faults",
        description="Memory, lost events and drift over hours of sound.",
    )
    soak.set_defaults(run=_soak)
    soak.add_argument("--hours", type=float, required=True, metavar="N", help="of sound")
    soak.add_argument("--seed", type=int, default=1, metavar="N", help="of noise, blocks and faults (1)")
    soak.add_argument("--json", action="store_true", help="the figures on stdout")


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
        raise RequirementError(f"required, and not met: {'; '.join(short)}")
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
        raise InputError("--tune-also: nothing is tuned; give --tune FA_PER_HOUR")
    if options.peer is not None and (options.model, options.tune) != (None, None):
        raise InputError("--peer: another engine has no --model of ours and is not tuned; leave those out")
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
        report = stream(options.model, plan, options.out, tuning, room)
    _show(summaries.stream(report))
    return 0


def _room(options: argparse.Namespace) -> Room | None:
    if options.playback:
        from ..playback.room import Room

        return Room(options.speaker, options.device, options.channel)
    if (options.speaker, options.device, options.channel) != (None, None, None):
        raise InputError("--speaker, --device and --channel are for --playback; give it, too")
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
        raise InputError(f"--hours {options.hours:g}: must be above zero, and at most a year")

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
