"""Installs kws-listen as a systemd service."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

from .._support import atomic
from .._support.errors import InputError
from ..model import model_file

UNITS = Path("/etc/systemd/system")
_UNIT = "kws-listen.service"
_COMMAND, _MODEL = "/opt/kws/bin/kws-listen", "/opt/kws/kws.tflite"
"""The paths in the unit as it is packed."""
_HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"))
"""What ProtectHome hides from the service."""


def install(folder: Path, model: str | None, program: Path | None = None) -> Path:
    """Write the unit of a service that runs this installation of kws-listen.

    Args:
        folder: of systemd's units.
        model: a model file or a shipped model's name; None: the shipped default.
        program: kws-listen; None: the one beside this Python.

    Returns:
        the path of the unit.

    Raises:
        InputError: no such model, a path that the service could not read, or a folder that cannot be written.
    """
    program = Path(sys.executable).with_name("kws-listen") if program is None else program
    file = model_file.read(model_file.find(model)).path.absolute()
    for path in (program.absolute(), file):
        if any(path.is_relative_to(hidden) for hidden in _HIDDEN):
            raise InputError(
                f"{path}: the service may not read home directories; install the package into /opt/kws, "
                "and put the model there"
            )
    text = (_packed() / _UNIT).read_text(encoding="utf-8")
    text = text.replace(_COMMAND, _escaped(program.absolute())).replace(_MODEL, _escaped(file))
    unit = folder / _UNIT
    atomic.write_text(unit, text)
    return unit


def next_steps(unit: Path) -> list[str]:
    """What to do after `install`, a line each."""
    return [
        f"{unit} is written; options of your own: sudo systemctl edit kws-listen",
        "start it: sudo systemctl daemon-reload && sudo systemctl enable --now kws-listen",
        f"examples for udev and ALSA: {_packed()}",
    ]


def _packed() -> Path:
    return Path(str(resources.files("kws_device") / "systemd"))


def _escaped(path: Path) -> str:
    """A path as an argument in a unit: systemd expands %, $ and backslashes, and parts words at spaces."""
    text = str(path)
    if any(ord(character) < 32 or character in "\"'" for character in text):
        raise InputError(f"{text!r}: a path with quotes or control characters fits no unit; rename it")
    text = text.replace("\\", "\\\\").replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if " " in text else text
