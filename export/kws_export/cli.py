"""kws-export: converts runs, and shows and changes model files."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from kws_device._support.command import ArgumentParser, run
from kws_device._support.schema import json_text
from kws_device.cli.arming_options import add_arming, arming_options
from kws_device.model import model_file
from kws_device.model.manifest_text import describe
from kws_device.overrides import with_arming
from kws_training.data.corpus import FOLDER_KINDS
from kws_training.loop.threads import keep_products_small

from .upgrade import upgrade


def _export_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-export",
        description="Convert a run of kws-train into model files (TFLite and ONNX, int8 and float) and "
        "compare them with the trained model. See also --help of kws-export show, kws-export verifier, "
        "kws-export arming and kws-export upgrade",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the model files")
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a limit of the recipe's [export] table; the change is written into the files",
    )
    parser.add_argument("--test", action="store_true", help="measure on the test split, too")
    parser.add_argument(
        "--report", action="store_true", help="write a report about the loss of each layer by int8"
    )
    for kind in FOLDER_KINDS:
        parser.add_argument(
            f"--{kind}",
            type=Path,
            metavar="DIR",
            help="folder of this data (default: the one that was used for training)",
        )
    return parser


def _show_parser() -> ArgumentParser:
    parser = ArgumentParser(prog="kws-export show", description="Print the manifest of a model file.")
    parser.add_argument("file", type=Path, metavar="FILE", help="a model file")
    parser.add_argument("--json", action="store_true", help="print the whole manifest as JSON on stdout")
    return parser


def _verifier_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-export verifier", description="Add a trained verifier to the files of its first network."
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run of kws-train verifier")
    parser.add_argument(
        "--model",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="a model file of the first network; may be repeated for other formats",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the new files")
    return parser


def _arming_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-export arming",
        description="Write into copies of model files which word arms the others.",
    )
    parser.add_argument(
        "--model",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="a model file; may be repeated",
    )
    add_arming(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the new files")
    return parser


def _upgrade_parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-export upgrade",
        description="Write model files of earlier versions as files that devices read. Scores stay the same.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a model file")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the new files")
    return parser


def _upgrade(arguments: list[str]) -> None:
    options = _upgrade_parser().parse_args(arguments)
    for file in upgrade(options.files, options.out):
        manifest = file.manifest
        print(f"{file.path}  schema {manifest.schema}  {manifest.hash[:12]}", file=sys.stderr)


def _write_arming(arguments: list[str]) -> None:
    options = _arming_parser().parse_args(arguments)
    rules = arming_options(options)
    files = [model_file.read(path) for path in options.model]
    changed = [replace(file, manifest=with_arming(file.manifest, rules)) for file in files]
    for file in changed:
        path = options.out / file.path.name
        written = model_file.rewrite(path, file, file.manifest)
        print(f"{path}  {written.manifest.hash[:12]}", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """Run the command; raises InputError for bad input."""
    keep_products_small()
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["show"]:
        shown = _show_parser().parse_args(arguments[1:])
        manifest = model_file.read(shown.file).manifest
        print(json_text(manifest, indent=1) if shown.json else describe(manifest))
        return 0
    if arguments[:1] == ["arming"]:
        _write_arming(arguments[1:])
        return 0
    if arguments[:1] == ["upgrade"]:
        _upgrade(arguments[1:])
        return 0
    # TFLite conversion needs the TensorFlow backend, whichever trained the model.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if arguments[:1] == ["verifier"]:
        from .verifier import add_verifier

        added = _verifier_parser().parse_args(arguments[1:])
        report = add_verifier(added.run, added.model, added.out)
        for name, file in report["files"].items():
            print(f"{added.out / name}  {file['bytes'] / 1000:.0f} kB  {file['hash'][:12]}", file=sys.stderr)
        return 0
    options = _export_parser().parse_args(arguments)
    from kws_training.cli.schemes import read_run

    from .export import Options, export
    from .files import FIGURES

    folders = {kind: getattr(options, kind) for kind in FOLDER_KINDS}
    export(
        read_run(options.run), options.out, Options(options.limit, options.test, options.report), **folders
    )
    print((options.out / FIGURES).read_text(encoding="utf-8"), file=sys.stderr, end="")
    return 0


def entry() -> None:
    """The console script."""
    run(main)
