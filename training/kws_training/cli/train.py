"""kws-train: train a recipe, evaluate a run, or run the study's whole table."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kws_device import InputError
from kws_device._support.command import ArgumentParser, run
from kws_device._support.schema import json_text
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from ..data.corpus import Folders
from ..evaluation.scheme import TrainingOptions
from ..loop.threads import keep_products_small
from ..recipes.options import listed, override
from ..schemes.study.reported import TABLE_VARIANTS
from . import schemes

_DATA = {
    "speech": "Speech Commands, split by its lists, or a folder for each word, split by rank of the speakers",
    "scenes": "ESC-50, ESC-10 or UrbanSound8K; adds a second head",
    "voices": "words said by synthetic voices (kws-data voices); optional: fewer false accepts",
    "negatives": "continuous speech, any files below the folder; optional: fewer false accepts; "
    "split by name of folder (train, validation, test), else by rank of the speakers",
    "noise": "background sound without labels, any files below the folder; optional; split as --negatives",
}


def _train_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-train",
        description="Train a keyword spotter. See also kws-train own, verifier, evaluate, study and speed.",
    )
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="a name of --list or a TOML file")
    parser.add_argument("--list", action="store_true", help="print the names of the recipes")
    for name, text in _DATA.items():
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=text)
    parser.add_argument(
        "--hard",
        type=Path,
        metavar="DIR",
        action="append",
        default=[],
        help="sound that kws-data mine found; optional: fewer false accepts; may be repeated",
    )
    parser.add_argument(
        "--variant", choices=schemes.VARIANTS, help="variant of a recipe of the study (default: documented)"
    )
    parser.add_argument("--keywords", metavar="A,B,C", help="the keywords (default: those of the recipe)")
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--epochs", type=int, metavar="N", help="default: that of the recipe")
    parser.add_argument("--seed", type=int, metavar="N", help="default: that of the recipe")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value of the recipe; may be repeated",
    )
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="folder of cached features, for the recipes of the study"
    )
    parser.add_argument(
        "--from",
        dest="start_from",
        type=Path,
        metavar="RUN|FILE|NAME",
        help="start from these weights (warm start): a run, a float .onnx, or the shipped kws-float",
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        metavar="RUN|FILE|NAME",
        help="also learn from the scores of this model: a run, a model file, or a shipped model",
    )
    return parser


def _study_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-train study",
        description="Train and evaluate every row of the study's table, and write OUT/index.html. "
        "Run an interrupted command again to continue.",
    )
    for name in ("speech", "scenes"):
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", required=True, help=_DATA[name])
    parser.add_argument(
        "--out", type=Path, metavar="DIR", required=True, help="folder for all runs and the page"
    )
    parser.add_argument(
        "--epochs", type=int, metavar="N", help="epochs of each stage (default: those of the recipes)"
    )
    parser.add_argument(
        "--only", nargs="+", action="extend", default=[], metavar="NAME", help="only these rows"
    )
    parser.add_argument(
        "--variant",
        nargs="+",
        action="extend",
        choices=TABLE_VARIANTS,
        help="only these variants; frozen-heads is documented with frozen heads",
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="number of runs of each row (1)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of cached features")
    return parser


def _speed_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-train speed",
        description="Measure the speed of the input pipeline and of the training step.",
    )
    parser.add_argument("recipe", metavar="RECIPE", help="a name of --list or a TOML file")
    parser.add_argument(
        "--variant", choices=schemes.VARIANTS, help="variant of a recipe of the study (documented)"
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="seconds of each measurement (10)"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON on stdout")
    return parser


def _evaluate_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-train evaluate", description="Measure the accuracy of the Keras model of a run."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--speech", type=Path, metavar="DIR", help="folder of words")
    parser.add_argument("--scenes", type=Path, metavar="DIR", help="folder of scenes")
    parser.add_argument("--split", choices=("validation", "test", "all"), required=True)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; raises InputError for bad input."""
    keep_products_small()
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["evaluate"]:
        return _evaluate(arguments[1:])
    if arguments[:1] == ["own"]:
        from ..own.command import main as own

        return own(arguments[1:])
    if arguments[:1] == ["study"]:
        return _study(arguments[1:])
    if arguments[:1] == ["speed"]:
        return _speed(arguments[1:])
    if arguments[:1] == ["verifier"]:
        from ..schemes.verifier.command import main as train_verifier

        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        return train_verifier(arguments[1:])
    options = _train_parser().parse_args(arguments)
    if options.list:
        for name in schemes.names():
            print(f"{name:12} {schemes.load(name).about}")
        return 0
    if options.recipe is None or options.out is None:
        raise InputError("name a RECIPE (--list shows them) and the folder of the run with --out")
    overrides = dict(override(text) for text in options.set)
    if options.keywords is not None:
        overrides["keywords"] = listed(options.keywords)
    if options.seed is not None:
        overrides["seed"] = options.seed
    recipe = schemes.load(options.recipe, overrides, options.variant)
    scheme = schemes.scheme_of(recipe)
    if options.epochs is not None:
        recipe = scheme.with_epochs(recipe, options.epochs)
    folders = Folders(
        options.speech,
        options.scenes,
        options.negatives,
        options.noise,
        options.voices,
        tuple(options.hard),
    )

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    chosen = TrainingOptions(options.resume, options.start_from, options.teacher, options.cache)
    path = scheme.train(recipe, folders, options.out, chosen)
    print(f"trained: {path}; next: kws-export {options.out} --out FOLDER", file=sys.stderr)
    return 0


def _evaluate(arguments: list[str]) -> int:
    options = _evaluate_parser().parse_args(arguments)

    from ..evaluation.evaluate import evaluate

    run = schemes.read_run(options.run)
    print(f"{'set':18} {'keyword':>8} {'n':>6} {'scene':>8} {'n':>6}")
    for set_, judged in evaluate(run, Folders(options.speech, options.scenes), options.split):
        columns = [
            f"{judged[head].accuracy:8.4f} {len(judged[head].items):6d}" if head in judged else " " * 15
            for head in (KEYWORD_HEAD, SCENE_HEAD)
        ]
        print(f"{set_.name:18} {' '.join(columns)}")
    return 0


def _study(arguments: list[str]) -> int:
    options = _study_parser().parse_args(arguments)
    if options.seeds < 1:
        raise InputError(f"--seeds {options.seeds}: must be at least 1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from ..schemes.study.run_table import run_table

    page = run_table(
        Folders(options.speech, options.scenes),
        options.out,
        options.cache,
        options.only,
        options.variant or TABLE_VARIANTS,
        options.seeds,
        options.epochs,
    )
    print(f"written: {page}", file=sys.stderr)
    return 0


def _speed(arguments: list[str]) -> int:
    options = _speed_parser().parse_args(arguments)
    recipe = schemes.load(options.recipe, variant=options.variant)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    import numpy as np

    from ..loop.throughput import measure

    batches, model = schemes.scheme_of(recipe).training_step(recipe, np.random.default_rng(0))
    rates = measure(batches, model, recipe.optimisation.batch_size, options.seconds)
    if options.json:
        print(json_text({f"{what}_examples_per_s": round(rate, 1) for what, rate in rates.items()}))
    else:
        for what, rate in rates.items():
            print(f"{what:9} {rate:8.0f} examples/s, {rate / rates['step']:.2f} of the step's")
    return 0


def entry() -> None:
    """The console script."""
    run(main)
