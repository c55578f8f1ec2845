"""kws-export: a run becomes files for a device; or show what such a file says."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from kws_device import model_file
from kws_device.command import ArgumentParser, run
from kws_device.manifest import describe
from kws_device.strict import plain
from kws_training.threads import keep_products_small


def _export_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-export",
        description="Convert a run of kws-train into files that tell a device all it must know. "
        "See also: kws-export show FILE --help",
    )
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True)
    parser.add_argument(
        "--max-loss",
        type=float,
        default=1.0,
        metavar="POINTS",
        help="accuracy that int8 may lose on validation (default: 1)",
    )
    for kind in ("speech", "scenes", "negatives", "noise"):
        parser.add_argument(
            f"--{kind}", type=Path, metavar="DIR", help="instead of the folder that the run remembers"
        )
    return parser


def _show_parser() -> ArgumentParser:
    parser = ArgumentParser(prog="kws-export show", description="What a model file says of itself.")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="the whole manifest, on stdout")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; raises InputError for bad input."""
    keep_products_small()
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["show"]:
        shown = _show_parser().parse_args(arguments[1:])
        manifest = model_file.read(shown.file).manifest
        print(json.dumps(plain(manifest), indent=1) if shown.json else describe(manifest))
        return 0
    options = _export_parser().parse_args(arguments)
    # TFLite conversion needs the TensorFlow backend, whichever trained the model.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    from .export import ParityError, export

    folders = {kind: getattr(options, kind) for kind in ("speech", "scenes", "negatives", "noise")}
    try:
        report = export(options.run, options.out, options.max_loss, **folders)
    except ParityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name, file in report["files"].items():
        figures = ", ".join(
            f"{head} {figure['accuracy']:.2%}" for head, figure in file["accuracy"]["clean"].items()
        )
        print(f"{options.out / name}: {file['bytes'] / 1000:.0f} kB, validation {figures}", file=sys.stderr)
    return 0


def entry() -> None:
    """The console script."""
    run(main)
