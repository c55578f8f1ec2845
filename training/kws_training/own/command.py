"""The options of kws-train own."""

from __future__ import annotations

import sys
from pathlib import Path

from kws_device import InputError
from kws_device._support.command import ArgumentParser

from ..recipes.options import listed
from .plan import OwnPlan


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-train own",
        description="Make a model of your own words: find the words in their takes, add synthetic voices, "
        "train, train a verifier on the places in talk and noise where the model nearly fires, choose "
        "thresholds, convert, and write a report. Run an interrupted command again to continue.",
    )
    parser.add_argument(
        "--speech",
        type=Path,
        metavar="DIR",
        help="a folder of takes for each word, a few seconds each; without it only synthetic voices say them",
    )
    parser.add_argument("--keywords", metavar="A,B,C", required=True, help="the keywords")
    parser.add_argument(
        "--negatives",
        type=Path,
        metavar="DIR",
        help="folder with hours of speech without the words: far fewer false accepts",
    )
    parser.add_argument("--noise", type=Path, metavar="DIR", help="folder of background noise")
    parser.add_argument(
        "--scenes", type=Path, metavar="DIR", help="ESC-50 or UrbanSound8K; adds a scene head"
    )
    parser.add_argument(
        "--false-accepts",
        type=float,
        metavar="N",
        default=0.5,
        help="choose thresholds for so many false accepts per hour (0.5)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", required=True, help="folder for the model and the report"
    )
    parser.add_argument(
        "--voices",
        type=int,
        metavar="N",
        default=400,
        help="number of synthetic voices for each word (%(default)s)",
    )
    parser.add_argument(
        "--others",
        type=int,
        metavar="N",
        default=3,
        help="number of synthetic voices for each other word (%(default)s)",
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="epochs of the training (default: those of the recipe)"
    )
    parser.add_argument("--seed", type=int, metavar="N", default=1, help="random seed (%(default)s)")
    return parser


def main(arguments: list[str]) -> int:
    """Run the command; raises InputError for bad input."""
    options = _parser().parse_args(arguments)
    keywords = tuple(dict.fromkeys(listed(options.keywords)))
    if not keywords:
        raise InputError("--keywords: name at least one word")
    if not 0 < options.false_accepts <= 1000:
        raise InputError(
            f"--false-accepts {options.false_accepts:g}: must be above 0 and at most 1000 per hour"
        )
    if min(options.voices, options.others) < 0 or options.others == 0:
        raise InputError("--voices must be at least 0, and --others at least 1")
    if options.speech is None and options.voices < 10:
        raise InputError(f"--voices {options.voices}: without --speech, give at least 10")
    if options.epochs is not None and options.epochs < 1:
        raise InputError(f"--epochs {options.epochs}: must be at least 1")
    plan = OwnPlan(
        keywords,
        options.speech,
        options.negatives,
        options.noise,
        options.scenes,
        options.false_accepts,
        options.voices,
        options.others,
        options.epochs,
        options.seed,
        options.out,
    )

    from .own import make_own

    make_own(plan)
    print(
        f"report: {options.out / 'report' / 'index.html'}\n"
        f"{options.out / 'kws.tflite'} is ready; next: kws-listen --model {options.out / 'kws.tflite'}",
        file=sys.stderr,
    )
    return 0
