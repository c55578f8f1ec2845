"""kws-teach: teaches a model a word from a few takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import audio_files
from .._support.command import ArgumentParser, run, tell
from .._support.errors import InputError
from ..model import model_file
from ..model.engine import kinds
from ..model.model_file import ModelFile
from ..sources import Microphone
from ..takes.record import Recorder
from ..teaching import FEWEST, forget, teach, without_embedding

_TAKES = 5
_MOST_TAKES = 100
_TAKE_S = 2.5
_LONGEST_TAKE_S = 30


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-teach",
        description="Teach a model a word from a few takes, without training. The word is written into the "
        "model file, which gets a new hash. The model must have an embedding (kws-listen --info tells).",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("word", nargs="?", metavar="WORD", help="the word to teach")
    what.add_argument("--forget", metavar="WORD", help="remove a taught word")
    parser.add_argument("--model", metavar="FILE|NAME", help="the model (default: kws)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write this file and leave the model as it is"
    )
    parser.add_argument(
        "--takes", type=int, default=_TAKES, metavar="N", help="takes to record (%(default)s)"
    )
    parser.add_argument(
        "--file",
        action="append",
        type=Path,
        metavar="PATH",
        help="a recording of one take, instead of the microphone; repeat it for each take",
    )
    parser.add_argument("--device", metavar="NAME", help="microphone: its name or a part of the name")
    parser.add_argument("--channel", type=int, metavar="N", help="channel of the microphone, from 1")
    parser.add_argument("--engine", metavar="NAME", help="inference engine, as of kws-listen")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; raises InputError for bad input."""
    options = _parser().parse_args(argv)
    file = model_file.read(model_file.find(options.model, kinds(options.engine)))
    out = _destination(file, options.out)
    if options.forget is not None:
        manifest = forget(file.manifest, options.forget)
        told = f"{options.forget} is forgotten"
    else:
        if not FEWEST <= options.takes <= _MOST_TAKES:
            raise InputError(f"--takes {options.takes}: must lie between {FEWEST} and {_MOST_TAKES}")
        if file.manifest.embedding is None:
            raise without_embedding(file)
        takes = _takes(options, file.manifest.front_end.sample_rate_hz)
        lesson = teach(file, options.word, takes, options.engine)
        manifest = lesson.manifest
        for number in lesson.left_out:
            tell(f"take {number + 1}: {options.word} is not found in it; it is left out")
        count = len(lesson.word.takes)
        told = f"{options.word} is taught; {lesson.heard} of {count} takes are heard when the others teach it"
    written = model_file.rewrite(out, file, manifest)
    tell(f"{out}: {told}; the hash is now {written.manifest.hash[:12]}")
    return 0


def _destination(file: ModelFile, out: Path | None) -> Path:
    if out is not None:
        return out
    if model_file.is_shipped(file.path):
        raise InputError(f"{file.path}: a shipped model stays as it is; give --out FILE")
    return file.path


def _takes(options: Any, sample_rate_hz: int) -> list[NDArray[np.float32]]:
    if options.file:
        return [_read(path, sample_rate_hz) for path in options.file]
    microphone = Microphone(options.device, options.channel)
    recorder = Recorder(microphone, sample_rate_hz)
    tell(f"microphone: {microphone.name}")
    return [
        recorder.ask(options.word, f"{number}/{options.takes}", _TAKE_S, tell)[0]
        for number in range(1, options.takes + 1)
    ]


def _read(path: Path, sample_rate_hz: int) -> NDArray[np.float32]:
    sound = audio_files.read(path, sample_rate_hz)
    if len(sound) > _LONGEST_TAKE_S * sample_rate_hz:
        raise InputError(f"{path}: longer than {_LONGEST_TAKE_S} s, so it is no take of one word; cut it")
    return sound


def entry() -> None:
    """The console script."""
    run(main)
