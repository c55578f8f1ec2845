"""kws-bench robustness and kws-bench compare."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from kws_device import InputError
from kws_device._support.errors import RequirementError

from . import summaries
from .options import BACKGROUND_SPLIT, add_playback, played_in
from .output import print_report, show


def add_robustness(commands: Any) -> None:
    """Add the command robustness to those of kws-bench."""
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
        help=f"folder of background sound without labels; {BACKGROUND_SPLIT}",
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
    add_playback(robustness)


def add_compare(commands: Any) -> None:
    """Add the command compare to those of kws-bench."""
    compare = commands.add_parser(
        "compare",
        help="differences between two reports that are beyond chance",
        description="Compare two reports of kws-bench robustness on the same clips.",
    )
    compare.set_defaults(run=_compare)
    compare.add_argument("a", type=Path, metavar="A", help="folder of a report")
    compare.add_argument("b", type=Path, metavar="B", help="folder of the report to compare with A")
    compare.add_argument("--json", action="store_true", help="print the figures as JSON on stdout")


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
    plan = Plan(folders, options.split, list(dict.fromkeys(options.snr)), options.limit, played_in(options))
    short = []
    for name, result in report(options.model, plan, options.add, options.out).items():
        show(summaries.robustness(result.report, name))
        short += [f"{name}: {line}" if name else line for line in shortfalls(result.report, requirements)]
    if short:
        raise RequirementError(f"--require is not met: {'; '.join(short)}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from ..robustness.compare import compare

    found = compare(options.a, options.b)
    show(summaries.compare(found))
    return print_report(found, options.json)


def _requirements(texts: list[str]) -> dict[str, float]:
    requirements = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            requirements[name] = float(value)
        except ValueError:
            raise InputError(f"--require {text}: write SET=ACCURACY, for example snr10=.93") from None
    return requirements
