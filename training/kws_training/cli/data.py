"""kws-data: download, check and make training data."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from kws_device import InputError
from kws_device._support.command import ArgumentParser, run
from kws_device._support.schema import json_text
from kws_device._support.untrusted_text import printable

from ..data.check import check
from ..data.datasets import DATASETS
from ..data.layouts import FOLDS, PUBLISHED, read_dataset
from ..data.splits import SPLITS
from ..mining.mine import MOST, MOST_MB, NEAR, Plan, mine
from ..recipes.options import listed
from ..schemes.kit.recipe import FORMAT as KIT_FORMAT
from .show_augmentation import add_parser, show_augmentation
from .takes import add_parsers as add_takes
from .takes import import_files, record_takes

_EXAMPLES = 5


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="kws-data", description="Download, check and make training data.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_takes(commands)
    checking = commands.add_parser(
        "check", help="count the clips of a dataset; find problems and leaks between splits"
    )
    checking.add_argument("folder", type=Path, metavar="DIR", help="folder of the dataset")
    checking.add_argument("--json", action="store_true", help="print everything as JSON on stdout")
    checking.add_argument(
        "--plots", type=Path, metavar="DIR", help="write plots of counts and leaks into this folder"
    )
    checking.add_argument(
        "--folds",
        choices=FOLDS,
        default="documented",
        help="folds of UrbanSound8K: as the text of the study says, or as its code did",
    )
    fetching = commands.add_parser(
        "download", help="download a published dataset into a new folder and verify it"
    )
    fetching.add_argument(
        "name",
        choices=DATASETS,
        metavar="NAME",
        help=f"{', '.join(DATASETS)} (mini has no splits; do not train on it)",
    )
    fetching.add_argument("dest", type=Path, metavar="DEST", help="the new folder")
    fetching.add_argument("--mirror", metavar="URL", help="download the same archive from this address")
    fetching.add_argument("--keep-archive", action="store_true", help="keep the archive next to DEST")
    saying = commands.add_parser(
        "voices", help="make recordings of words by synthetic voices (espeak-ng, flite)"
    )
    saying.add_argument("dest", type=Path, metavar="DEST", help="the new folder")
    saying.add_argument(
        "--keywords",
        metavar="A,B,C",
        default=",".join(KIT_FORMAT.load("default").keywords),
        help="keywords (%(default)s)",
    )
    saying.add_argument(
        "--voices", type=int, metavar="N", default=400, help="number of voices for each keyword (%(default)s)"
    )
    saying.add_argument(
        "--others",
        type=int,
        metavar="N",
        default=8,
        help="number of voices for each other word (%(default)s)",
    )
    saying.add_argument(
        "--seed", type=int, metavar="N", default=1, help="seed for the choice of voices (%(default)s)"
    )
    _add_mine(commands)
    add_parser(commands)
    return parser


def _add_mine(commands: Any) -> None:
    mining = commands.add_parser(
        "mine",
        help="find the places in hours of sound where a model nearly fires, to train with them",
        description="Listen to hours of sound as the device does, and keep each place where the model "
        "nearly fires although nobody says the word. Transcripts next to the sound (*.trans.txt) tell "
        "what is really said. Run an interrupted command again to continue.",
    )
    mining.add_argument("--model", metavar="FILE|NAME", help="the model (default: the shipped one)")
    mining.add_argument(
        "--sound",
        type=Path,
        metavar="DIR",
        nargs="+",
        action="extend",
        required=True,
        help="folders of recordings",
    )
    mining.add_argument("--out", type=Path, metavar="DIR", required=True, help="a new folder")
    mining.add_argument(
        "--near",
        type=float,
        metavar="P",
        default=NEAR,
        help="lower all thresholds to this score (%(default)s)",
    )
    mining.add_argument(
        "--smoothing",
        type=float,
        metavar="S",
        help="average scores over so many seconds (default: as the model says)",
    )
    mining.add_argument(
        "--split",
        choices=(*SPLITS, "all"),
        default="train",
        help="part of the sound to use, split by speaker (%(default)s)",
    )
    mining.add_argument(
        "--mask",
        type=Path,
        metavar="CSV",
        action="append",
        default=[],
        help="table of what is really said: recording, start_s, end_s, word; may be repeated",
    )
    mining.add_argument(
        "--second-opinion",
        type=Path,
        metavar="WEIGHTS",
        help="folder with weights of Whisper (faster-whisper); what it hears the word in is masked, too",
    )
    mining.add_argument(
        "--most",
        type=int,
        metavar="N",
        default=MOST,
        help="keep at most N stretches, those with the highest scores (%(default)s)",
    )
    mining.add_argument(
        "--most-mb",
        type=float,
        metavar="MB",
        default=MOST_MB,
        help="keep at most so many megabytes (%(default)s)",
    )
    mining.add_argument("--jobs", type=int, metavar="N", help="number of processes (default: one per core)")
    mining.add_argument("--json", action="store_true", help="print the summary as JSON on stdout")


def _describe(report: dict[str, Any]) -> str:
    splits: dict[str, dict[str, int]] = report["splits"]
    labels = sorted({label for counts in splits.values() for label in counts})
    lines = [
        f"layout: {report['layout']}, split by {report['split_by']}",
        f"{'':18}" + "".join(f"{split:>11}" for split in splits),
    ]
    for label in labels:
        lines.append(f"{label:18}" + "".join(f"{counts.get(label, 0):11d}" for counts in splits.values()))
    lines.append(f"{'all':18}" + "".join(f"{sum(counts.values()):11d}" for counts in splits.values()))
    kinds = Counter(problem["kind"] for problem in report["problems"])
    for kind, count in kinds.items():
        shown = [p for p in report["problems"] if p["kind"] == kind][:_EXAMPLES]
        lines.append(f"{kind}: {count}")
        lines += [f"  {problem['file']}: {problem['detail']}" for problem in shown]
        if count > len(shown):
            lines.append(f"  and {count - len(shown)} more; --json shows all")
    lines.append(f"sources in two splits: {len(report['leaks'])}")
    lines += [f"  {leak['source']}: {' and '.join(leak['splits'])}" for leak in report["leaks"][:_EXAMPLES]]
    return "\n".join(map(printable, lines))


def _check(options: argparse.Namespace) -> None:
    dataset = read_dataset(options.folder, options.folds)
    report = check(dataset)
    if options.plots is not None:
        from ..evaluation.plots import class_counts, shared_sources

        class_counts(report["splits"], options.plots / "class_counts.png")
        shared_sources(dataset.clips, options.plots / "shared_sources.png")
    if options.json:
        print(json_text(report))
    else:
        print(_describe(report), file=sys.stderr)


def _download(options: argparse.Namespace) -> None:
    from ..data.download import download

    stated = PUBLISHED[DATASETS[options.name].layout]
    if "-NC" in stated:
        stated += " (NC: not for commercial use)"
    print(f"{stated}. Name the authors wherever you use it.", file=sys.stderr)
    download(options.name, options.dest, options.mirror, options.keep_archive)
    print(f"{options.dest} is ready; see what is in it: kws-data check {options.dest}", file=sys.stderr)


def _voices(options: argparse.Namespace) -> None:
    from ..data.tts import make, other_words

    keywords = listed(options.keywords)
    if min(options.voices, options.others) < 0 or options.voices + options.others == 0:
        raise InputError("--voices and --others: at least 0, and one of them more")
    count = make(options.dest, keywords, options.voices, other_words(), options.others, options.seed)
    print(
        f"{options.dest}: {count} recordings; next: kws-train RECIPE --voices {options.dest} ...",
        file=sys.stderr,
    )


def _mine(options: argparse.Namespace) -> None:
    if options.jobs is not None and options.jobs < 1:
        raise InputError(f"--jobs {options.jobs}: must be at least 1")
    plan = Plan(
        options.model,
        tuple(options.sound),
        options.near,
        options.smoothing,
        options.split,
        tuple(options.mask),
        options.second_opinion,
        options.most,
        options.most_mb,
    )
    summary = mine(plan, options.out, options.jobs)
    if options.json:
        print(json_text(summary))
    print(
        f"{options.out}: {summary['kept']} stretches of {summary['hours']:.2f} hours "
        f"({summary['found']} found, {summary['masked']} masked); "
        f"next: kws-train RECIPE --hard {options.out} ...",
        file=sys.stderr,
    )


def main(argv: list[str] | None = None) -> int:
    """Run the command; raises InputError for bad input."""
    options = _parser().parse_args(argv)
    run_command = {
        "record": record_takes,
        "import": import_files,
        "check": _check,
        "download": _download,
        "voices": _voices,
        "mine": _mine,
        "show-augmentation": show_augmentation,
    }[options.command]
    run_command(options)
    return 0


def entry() -> None:
    """The console script."""
    run(main)
