"""kws-data show-augmentation: a page that shows and plays every augmentation step."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from kws_device import InputError

from ..data.corpus import Folders
from ..recipes.format import find, read_table, shipped
from ..recipes.options import listed, override
from ..schemes.kit.recipe import FORMAT as KIT
from ..schemes.verifier.recipe import FORMAT as VERIFIER
from ..schemes.verifier.sound import SoundFolders

_FOLDERS = {
    "scenes": "ESC-50 or UrbanSound8K",
    "negatives": "continuous speech",
    "noise": "background without speech",
    "voices": "words of synthetic voices (kws-data voices)",
    "hard": "sound that kws-data mine found",
}


def add_parser(commands: Any) -> None:
    """Add the command to those of kws-data."""
    parser = commands.add_parser(
        "show-augmentation",
        help="write a page with a picture and the sound of every step of a recipe's augmentation",
        description="Draw a training window of each kind, and show it after every step of the recipe's "
        "augmentation: its log-mels, and its sound as a WAV.",
    )
    known = ", ".join([*KIT.names(), *VERIFIER.names()])
    parser.add_argument("recipe", metavar="RECIPE", help=f"{known} or a TOML file")
    parser.add_argument("--speech", type=Path, metavar="DIR", required=True, help="words in folders")
    for name, text in _FOLDERS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"{text}; optional")
    parser.add_argument("--keywords", metavar="A,B,C", help="the keywords (default: those of the recipe)")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="seed of the drawn windows (default: that of the recipe)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a value of the recipe; may be repeated",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="a new folder")


def show_augmentation(options: argparse.Namespace) -> None:
    """Run the command; raises InputError for bad input."""
    overrides = dict(override(text) for text in options.set)
    if options.keywords is not None:
        overrides["keywords"] = listed(options.keywords)
    if options.seed is not None:
        overrides["seed"] = options.seed
    path = find(options.recipe, shipped(KIT.folder) | shipped(VERIFIER.folder))
    table = read_table(path)
    if table.get("scheme") == KIT.scheme:
        from ..schemes.kit.trace import trace

        recipe = KIT.resolve(table, path, overrides)
        mined = () if options.hard is None else (options.hard,)
        folders = Folders(
            options.speech, options.scenes, options.negatives, options.noise, options.voices, mined
        )
        chains, front_end = trace(recipe, folders), recipe.front_end
    elif table.get("scheme") == VERIFIER.scheme:
        from ..schemes.verifier.trace import trace as trace_verifier

        if options.scenes is not None:
            raise InputError("--scenes: a verifier has no scenes; leave it out")
        verifier = VERIFIER.resolve(table, path, overrides)
        voices, negatives, noise, hard = (
            tuple(folder for folder in [getattr(options, name)] if folder is not None)
            for name in ("voices", "negatives", "noise", "hard")
        )
        chains = trace_verifier(verifier, SoundFolders(options.speech, voices, negatives, noise, hard))
        front_end = verifier.front_end
    else:
        raise InputError(
            f"{options.recipe}: its steps are pictured in plots/mixing_steps.png of each of its runs; "
            f"name another recipe"
        )

    from ..evaluation.augmentation_page import write_page

    page = write_page(f"recipe {path.stem}", chains, front_end.sample_rate_hz, options.out)
    print(f"written: {page}", file=sys.stderr)
