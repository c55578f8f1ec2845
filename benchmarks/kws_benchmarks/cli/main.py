"""kws-bench: the command and its subcommands."""

from __future__ import annotations

from kws_device._support.command import ArgumentParser, run
from kws_training.loop.threads import keep_products_small

from .cost import add_pi, add_soak, add_speed
from .robustness import add_compare, add_robustness
from .stream import add_stream


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="kws-bench",
        description="Measure models as they run on the device: accuracy, false accepts, latency, cost.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (add_robustness, add_compare, add_stream, add_speed, add_pi, add_soak):
        add(commands)
    for name, command in commands.choices.items():
        if name not in ("robustness", "compare"):
            command.add_argument(
                "--model", metavar="FILE|NAME", help="model to measure (default: that of kws-listen)"
            )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command; raises InputError for bad input, RequirementError for an unmet --require."""
    keep_products_small()
    options = _parser().parse_args(argv)
    code: int = options.run(options)
    return code


def entry() -> None:
    """The console script."""
    run(main)
