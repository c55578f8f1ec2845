"""kws-bench stream."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from kws_device import InputError
from kws_device.cli.arming_options import add_arming, arming_options

from . import summaries
from .options import BACKGROUND_SPLIT, add_playback, cache, check_range, played_in
from .output import show


def add_stream(commands: Any) -> None:
    """Add the command stream to those of kws-bench."""
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
        + BACKGROUND_SPLIT,
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
    add_playback(stream)


def _stream(options: argparse.Namespace) -> int:
    check_range("--snr", options.snr, -60, 60)
    check_range("--pitch", options.pitch, 1, 3600)
    check_range("--passes", options.passes, 1, 1000)
    if options.tune is not None:
        check_range("--tune", options.tune, 0.001, 3600)
    elif options.tune_also:
        raise InputError("--tune-also needs --tune FA_PER_HOUR")
    if options.peer is not None and (options.model, options.tune, options.armed_by) != (None, None, None):
        raise InputError("--peer measures another engine; leave out --model, --tune and --armed-by")
    room = played_in(options)

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
        report = stream_of_peer(peer, word, cache(options) / "peers", plan, options.out, room)
    else:
        tuning = None if options.tune is None else Tuning(options.tune, options.tune_also)
        report = stream(options.model, plan, options.out, tuning, room, arming_options(options))
    show(summaries.stream(report))
    return 0
