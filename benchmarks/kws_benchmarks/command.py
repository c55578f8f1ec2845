"""kws-bench: what a model is worth."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from kws_device.command import ArgumentParser, run
from kws_device.errors import InputError
from kws_training.threads import keep_products_small


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="kws-bench", description="Measure a model through the device's own path.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    robustness = commands.add_parser("robustness", help="accuracy on clean and on mixed test sets")
    robustness.add_argument("--model", metavar="FILE|NAME", help="instead of the shipped one")
    robustness.add_argument("--speech", type=Path, metavar="DIR", help="words")
    robustness.add_argument("--scenes", type=Path, metavar="DIR", help="scenes")
    robustness.add_argument("--noise", type=Path, metavar="DIR", help="backgrounds without labels")
    robustness.add_argument("--split", choices=("validation", "test", "all"), required=True)
    robustness.add_argument("--out", type=Path, metavar="DIR", required=True)
    robustness.add_argument(
        "--snr", type=float, nargs="+", default=[20, 10, 5, 0, -5], metavar="DB", help="of the mixed sets"
    )
    robustness.add_argument("--limit", type=int, metavar="N", help="a seeded draw, balanced by class")
    robustness.add_argument(
        "--require",
        nargs="+",
        default=[],
        metavar="SET=ACCURACY",
        help="exit 1 where a figure falls short, for example clean=.95 snr10=.93 scene-clean=.7",
    )
    return parser


def _requirements(texts: list[str]) -> dict[str, float]:
    requirements = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            requirements[name] = float(value)
        except ValueError:
            raise InputError(f"--require {text}: write SET=ACCURACY, for example snr10=.93") from None
    return requirements


def _print(report: dict[str, Any]) -> None:
    print(f"{report['model']} {report['hash'][:12]}, {report['split']} split", file=sys.stderr)
    for figures in report["sets"]:
        parts = [
            f"{head} {f['accuracy']:7.2%} [{f['ci95'][0]:.1%}, {f['ci95'][1]:.1%}] n={f['n']}"
            for head, f in figures.items()
            if head in ("keyword", "scene")
        ]
        print(f"{figures['set']:12} {'   '.join(parts)}", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Run the command; raises InputError for bad input."""
    keep_products_small()
    options = _parser().parse_args(argv)
    requirements = _requirements(options.require)
    if options.limit is not None and options.limit < 1:
        raise InputError(f"--limit {options.limit}: must be at least 1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from .robustness import robustness, shortfalls

    report = robustness(
        options.model,
        options.speech,
        options.scenes,
        options.noise,
        options.split,
        options.snr,
        options.limit,
        options.out,
    )
    _print(report)
    short = shortfalls(report, requirements)
    for line in short:
        print(f"required: {line}", file=sys.stderr)
    return 1 if short else 0


def entry() -> None:
    """The console script."""
    run(main)
