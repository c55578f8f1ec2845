"""kws-train verifier: train the second network of a model file."""

from __future__ import annotations

import sys
from pathlib import Path

from kws_device import InputError
from kws_device._support.command import ArgumentParser
from kws_device.model.manifest import Source

from ...recipes.options import listed, override
from .recipe import FORMAT, with_epochs
from .sound import SoundFolders


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-train verifier",
        description="Train the verifier: a second network that confirms or refuses what a model takes for "
        "its keywords. Before, run kws-data mine with that model on training and on validation sound.",
    )
    parser.add_argument(
        "recipe",
        nargs="?",
        default="verifier",
        metavar="RECIPE",
        help=f"{', '.join(FORMAT.names())} or a TOML file",
    )
    parser.add_argument(
        "--first", metavar="FILE|NAME", help="model file of the first network (default: the shipped one)"
    )
    parser.add_argument(
        "--speech",
        type=Path,
        metavar="DIR",
        required=True,
        help="Speech Commands, or a folder for each word",
    )
    for name, text in (
        ("voices", "words said by synthetic voices (kws-data voices)"),
        ("negatives", "continuous speech and other words; each folder is split by speaker"),
        ("noise", "background without speech; each folder is split by recording"),
        ("hard", "folders of kws-data mine, with --split train and with --split validation"),
    ):
        parser.add_argument(
            f"--{name}", type=Path, nargs="+", action="extend", default=[], metavar="DIR", help=text
        )
    parser.add_argument("--rooms", type=Path, metavar="DIR", help="impulse responses of real rooms; optional")
    parser.add_argument(
        "--keywords", metavar="A,B,C", help="the keywords of the first network (default: those of the recipe)"
    )
    parser.add_argument("--out", type=Path, metavar="RUN", required=True, help="folder of the run")
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="RUN|FILE|NAME",
        help="start from these weights, of a verifier or the first network: run, float .onnx or shipped name",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="default: that of the recipe")
    parser.add_argument("--seed", type=int, metavar="N", help="default: that of the recipe")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value of the recipe; may be repeated",
    )
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="NAME;LICENCE",
        help="name and licence of the data for the manifest; may be repeated",
    )
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    return parser


def main(arguments: list[str]) -> int:
    """Run the command; raises InputError for bad input."""
    options = _parser().parse_args(arguments)
    overrides = dict(override(text) for text in options.set)
    if options.keywords is not None:
        overrides["keywords"] = listed(options.keywords)
    if options.seed is not None:
        overrides["seed"] = options.seed
    recipe = FORMAT.load(options.recipe, overrides)
    if options.epochs is not None:
        recipe = with_epochs(recipe, options.epochs)
    folders = SoundFolders(
        options.speech,
        tuple(options.voices),
        tuple(options.negatives),
        tuple(options.noise),
        tuple(options.hard),
        options.rooms,
    )

    from .train import train_verifier

    path = train_verifier(
        recipe, options.first, folders, options.out, options.start, options.resume, _sources(options.source)
    )
    print(
        f"trained: {path}; next: kws-export verifier {options.out} --model FILE --out FOLDER", file=sys.stderr
    )
    return 0


def _sources(stated: list[str]) -> tuple[Source, ...]:
    found = []
    for text in stated:
        name, separator, licence = text.partition(";")
        if not separator or not name.strip() or not licence.strip():
            raise InputError(f"--source {text}: write NAME;LICENCE")
        found.append(Source(name.strip(), licence.strip()))
    return tuple(found)
