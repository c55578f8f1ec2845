"""The options of arming, which several commands have."""

from __future__ import annotations

from typing import Any

from .._support.command import ArgumentParser, word_values
from ..overrides import ArmingOptions


def add_arming(parser: ArgumentParser) -> None:
    """Add --armed-by, --for and --armed-threshold."""
    group = parser.add_argument_group("arming", "words that count only for a while after another one")
    group.add_argument("--armed-by", metavar="WORD", help="all other words count only after this one")
    group.add_argument(
        "--for",
        dest="armed_s",
        type=float,
        metavar="SECONDS",
        help="for so long (default: 5, or the model's)",
    )
    group.add_argument(
        "--armed-threshold",
        action="append",
        default=[],
        metavar="WORD=P",
        help="threshold of a word while it is armed; may be low, since it counts so rarely",
    )


def arming_options(options: Any) -> ArmingOptions:
    """What was given. Raises InputError where a threshold is not written as WORD=P."""
    thresholds = word_values("--armed-threshold", options.armed_threshold)
    return ArmingOptions(options.armed_by, options.armed_s, thresholds)
