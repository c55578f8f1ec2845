"""kws-listen: the live demo, and the tool that runs a model over recordings."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from .. import mic_check, trial
from .._support.command import ArgumentParser, check_alone, run, tell, word_values
from .._support.errors import InputError
from .._support.schema import json_text
from .._support.untrusted_text import printable
from ..model import model_file, signature
from ..model.engine import ENGINES
from ..model.manifest_text import describe
from ..model.model_file import ModelFile
from ..overrides import with_arming, with_thresholds
from ..requests import Requests
from ..session import Session
from ..sinks import Clips, Commands, JsonLines, Lines, Sink, SystemdNotifier, for_people
from ..sinks.clips import KEEP, KEEP_MB
from ..sources import AudioFile, AudioSource, Microphone, RawStream, microphones, portaudio
from ..spotter import Spotter
from .arming_options import add_arming, arming_options
from .install_service import UNITS, install, next_steps
from .mqtt_options import add_mqtt, mqtt_sinks
from .wyoming_options import add_wyoming, serve_wyoming

_CHECK_S = 5.0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-listen", description="Listen to a microphone, to files or to a pipe, and report keywords."
    )
    parser.add_argument(
        "--model", metavar="FILE|NAME", help="a model file, or the name of a shipped model (default: kws)"
    )
    names = [name for engines in ENGINES.values() for name in engines]
    parser.add_argument(
        "--require-signature",
        metavar="KEY",
        help="accept only models that this minisign key signed (MODEL.minisig): a public key or its file",
    )
    parser.add_argument("--engine", metavar="NAME", help=f"inference engine: {', '.join(names)}")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--device", metavar="NAME", help="microphone: its name or a part of the name")
    source.add_argument(
        "--file", action="append", type=Path, metavar="PATH", help="listen to a sound file; may be repeated"
    )
    source.add_argument(
        "--stdin",
        action="store_true",
        help="listen to raw sound from a pipe: 16 bit, little endian, mono, at the rate of the model",
    )
    parser.add_argument("--channel", type=int, metavar="N", help="channel of the microphone, from 1")
    parser.add_argument(
        "--gain-db", type=float, default=0.0, metavar="DB", help="amplify the microphone by so many dB"
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait for the microphone if it is not there yet, and reconnect"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line on stdout")
    parser.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="WORD=P",
        help="threshold of a word, 0 to 1; may be repeated",
    )
    add_arming(parser)
    add_mqtt(parser)
    add_wyoming(parser)
    parser.add_argument(
        "--save-clips", type=Path, metavar="DIR", help="save the sound of each event in this folder"
    )
    parser.add_argument(
        "--near",
        action="store_const",
        const=True,
        help="with --save-clips: save near misses, too (.near.wav)",
    )
    parser.add_argument(
        "--keep-clips",
        type=int,
        default=KEEP,
        metavar="N",
        help="keep only the newest N events, and as many near misses (%(default)s)",
    )
    parser.add_argument(
        "--keep-mb",
        type=float,
        metavar="MB",
        help=f"keep at most so many megabytes of clips ({KEEP_MB:g})",
    )
    parser.add_argument(
        "--exec",
        metavar="CMD",
        help="run a program for each event; the event is in environment variables (KWS_KEYWORD, ...)",
    )
    parser.add_argument("--shell", action="store_true", help="run CMD of --exec in a shell")
    parser.add_argument(
        "--skip-silence", action="store_true", help="do not run the model while the room is silent"
    )
    parser.add_argument(
        "--block-ms",
        type=float,
        default=100.0,
        metavar="N",
        help="size of the blocks that are read, in milliseconds (%(default)g)",
    )
    parser.add_argument("--real-time", action="store_true", help="process a file as slowly as it plays")
    parser.add_argument("--list-devices", action="store_true", help="print the names of the microphones")
    parser.add_argument(
        "--check",
        action="store_true",
        help="measure level, clipping and noise of the microphone, and say what to change",
    )
    parser.add_argument("--info", action="store_true", help="print the manifest of the model file")
    parser.add_argument(
        "--install-service",
        type=Path,
        nargs="?",
        const=UNITS,
        metavar="DIR",
        help=f"write a systemd unit that runs this installation with --model ({UNITS})",
    )
    return parser


def _read(
    options: Any, thresholds: dict[str, float], key: signature.PublicKey | None, model: str | None = None
) -> ModelFile:
    file = trial.load(model or options.model, options.engine, key)
    manifest = with_arming(with_thresholds(file.manifest, thresholds), arming_options(options))
    return replace(file, manifest=manifest)


def _load(
    options: Any, thresholds: dict[str, float], key: signature.PublicKey | None, model: str | None = None
) -> Spotter:
    file = _read(options, thresholds, key, model)
    return Spotter.of(file, None, options.engine, options.skip_silence)


def _sources(options: Any) -> Iterator[AudioSource]:
    if options.file:
        for path in options.file:
            yield AudioFile(path, options.block_ms, options.real_time)
    elif options.stdin:
        yield RawStream(sys.stdin.buffer, "stdin", options.block_ms)
    else:
        yield Microphone(options.device, options.channel, options.gain_db, options.wait)


def _sinks(options: Any, note: Callable[[str], None]) -> list[Sink]:
    sinks: list[Sink] = [SystemdNotifier()]
    if options.save_clips is None:
        check_alone(options, ("near", "keep_mb"), "--save-clips DIR")
    else:
        keep_mb = KEEP_MB if options.keep_mb is None else options.keep_mb
        near = bool(options.near)
        sinks.append(Clips(options.save_clips, note, options.keep_clips, near=near, keep_mb=keep_mb))
    if options.exec is not None:
        sinks.append(Commands(options.exec, note, options.shell))
    return sinks


def _check(options: Any) -> None:
    if options.file or options.stdin:
        raise InputError("--check listens to a microphone; leave out --file and --stdin")
    print(f"say a few words, for {_CHECK_S:g} seconds", file=sys.stderr)
    recording, rate = portaudio.record(options.device, _CHECK_S)
    findings = mic_check.examine(recording, rate)
    if options.json:
        print(json_text(findings))
    else:
        print("\n".join([*mic_check.figures(findings), *mic_check.report(findings)]))


def _end_on_sigterm() -> None:
    def end(number: int, frame: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)


def _reload_on_sighup(session: Session) -> None:
    attached = sys.stderr.isatty()

    def reload(number: int, frame: object) -> None:
        # A terminal that was closed sends the same signal, and nobody would ever end us.
        if attached and not sys.stderr.isatty():
            raise SystemExit(0)
        session.reload_soon()

    signal.signal(signal.SIGHUP, reload)


def _list_devices(as_json: bool) -> None:
    devices = microphones()
    if as_json:
        fields = [
            {
                "name": device.name,
                "default_samplerate": device.sample_rate_hz,
                "max_input_channels": device.channels,
            }
            for device in devices
        ]
        print(json_text(fields))
        return
    if not devices:
        print("no microphone found", file=sys.stderr)
    for device in devices:
        print(f"{printable(device.name)}  ({device.sample_rate_hz:.0f} Hz)")


def main(argv: list[str] | None = None) -> int:
    """Run the command; raises InputError for bad input."""
    options = _parser().parse_args(argv)
    if options.list_devices:
        _list_devices(options.json)
        return 0
    if options.check:
        _check(options)
        return 0
    if options.info:
        manifest = model_file.read(model_file.find(options.model)).manifest
        print(json_text(manifest, indent=1) if options.json else describe(manifest))
        return 0
    if options.install_service is not None:
        for line in next_steps(install(options.install_service, options.model)):
            tell(line)
        return 0
    thresholds = word_values("--threshold", options.threshold)
    signer = options.require_signature
    key = None if signer is None else signature.public_key(signer)
    first = partial(_read, options, thresholds, key)
    note = Lines(sys.stdout, sys.stderr).noted
    if serve_wyoming(options, first, lambda path: trial.load(path, options.engine, key), note):
        return 0
    _end_on_sigterm()
    display = JsonLines(sys.stdout) if options.json else for_people(sys.stdout, sys.stderr)
    requests = Requests()
    load = partial(_load, options, thresholds, key)
    sinks = [*_sinks(options, display.noted), *mqtt_sinks(options, load, requests, display.noted)]
    session = Session(load, display, sinks, requests=requests)
    _reload_on_sighup(session)
    signal.signal(signal.SIGUSR1, lambda number, frame: session.arm_soon())
    session.run(_sources(options))
    return 0


def entry() -> None:
    """The console script."""
    run(main)
