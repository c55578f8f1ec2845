"""kws-data record and kws-data import: takes of your own words."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from kws_device import InputError, Microphone
from kws_device._support.command import tell

from ..data.import_takes import import_takes
from ..data.record import Plan, record, unlike
from ..data.take_files import TakeFolder, check_word

_TAKES = 40
_LONGEST_S = 60.0


def add_parsers(commands: Any) -> None:
    """Add both commands to those of kws-data."""
    recording = commands.add_parser(
        "record",
        help="record takes of your words with a microphone",
        description="Ask for each word again and again, say after each take whether it can be used, and "
        "write the takes into DIR/WORD. Run an interrupted command again to continue.",
    )
    recording.add_argument("words", nargs="+", metavar="WORD", help="the words to record")
    _add_folder(recording)
    recording.add_argument(
        "--takes", type=int, default=_TAKES, metavar="N", help="takes of each word (%(default)s)"
    )
    recording.add_argument(
        "--seconds", type=float, default=2.5, metavar="S", help="length of a take (%(default)g)"
    )
    recording.add_argument(
        "--room",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds of the noise of the room to record first (%(default)g; 0: none)",
    )
    recording.add_argument("--device", metavar="NAME", help="microphone: its name or a part of the name")
    recording.add_argument("--channel", type=int, metavar="N", help="channel of the microphone, from 1")
    importing = commands.add_parser(
        "import",
        help="cut long recordings of a word, from a phone for example, into takes",
        description="In each file one word is said many times, with pauses. The files are called WORD.wav "
        "or WORD_SPEAKER.wav. Sounds that are not like the others are left out.",
    )
    importing.add_argument("files", nargs="+", type=Path, metavar="FILE", help="sound files")
    _add_folder(importing)
    importing.add_argument("--word", metavar="WORD", help="the word in all files (default: from their names)")


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder with a folder of takes for each word"
    )
    parser.add_argument(
        "--speaker", metavar="NAME", help="who speaks; not needed where one person speaks alone"
    )


def record_takes(options: argparse.Namespace) -> None:
    """Run `kws-data record`; raises InputError for bad input and unusable sound."""
    words = tuple(dict.fromkeys(options.words))
    for word in words:
        check_word(word)
    if options.takes < 1:
        raise InputError(f"--takes {options.takes}: must be at least 1")
    for name, seconds, least in (("--seconds", options.seconds, 1.0), ("--room", options.room, 0.0)):
        if not least <= seconds <= _LONGEST_S:
            raise InputError(f"{name} {seconds:g}: must lie between {least:g} and {_LONGEST_S:g}")
    folder = TakeFolder(options.out, options.speaker)
    microphone = Microphone(options.device, options.channel)
    tell(f"microphone: {microphone.name}")
    try:
        record(Plan(words, options.takes, options.seconds, options.room), folder, microphone, tell)
    except KeyboardInterrupt:
        tell("stopped; run the same command again to continue")
    for word in words:
        tell(f"{word}: {len(folder.takes(word))} takes")
        for path in unlike(folder, word):
            tell(f"    {path}: not like the others; listen to it, and remove it if it is not {word}")
    keywords = ",".join(words)
    tell(f"next: kws-train own --speech {shlex.quote(str(options.out))} --keywords {keywords} ...")


def import_files(options: argparse.Namespace) -> None:
    """Run `kws-data import`; raises InputError for bad input."""
    count = import_takes(options.files, options.out, options.word, options.speaker, tell)
    tell(f"{options.out}: {count} new takes")
