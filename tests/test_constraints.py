"""Every Pi gets the same versions: those that were tried."""

from __future__ import annotations

import re
from importlib.metadata import requires, version
from itertools import chain

import pytest
import tomllib
from helpers import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PROJECT = tomllib.loads((ROOT / "device" / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DIRECT = [*map(Requirement, [*PROJECT["dependencies"], *chain.from_iterable(EXTRAS.values())])]


def pins(python):
    """The version of each package that a Pi with this Python gets."""
    lines = (ROOT / "device" / "constraints.txt").read_text().splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    held = [pin for pin in pinned if pin.marker is None or pin.marker.evaluate({"python_version": python})]
    found = {canonicalize_name(pin.name): str(pin.specifier) for pin in held}
    assert len(found) == len(held), "a package has two versions"
    return found


def needed(requirements):
    """The names of all that these bring with them, as it is installed here."""
    found, waiting = set(), [*requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found.add(name)
            waiting += map(Requirement, requires(name) or [])
    return found


@pytest.mark.parametrize("python", PYTHONS)
def test_all_that_the_device_brings_has_one_exact_version(python):
    pinned = pins(python)
    assert needed(DIRECT) <= set(pinned)
    assert all(re.fullmatch(r"==[\w.]+", versions) for versions in pinned.values())
    for requirement in DIRECT:
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)].removeprefix("=="))
        assert "<" in str(requirement.specifier), f"{requirement} has no upper bound"


def test_the_versions_are_those_that_these_tests_run_with():
    here = pins(PYTHONS[1])
    assert {name: f"=={version(name)}" for name in needed(DIRECT)}.items() <= here.items()


def test_every_command_that_installs_the_wheel_takes_them():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    commands = re.findall(r".*pip install.*kws_device-.*", "\n".join(page.read_text() for page in pages))
    assert len(commands) == 4
    assert all("--constraint constraints-device.txt" in command for command in commands)
    assert "dist/constraints-device.txt" in (ROOT / "Makefile").read_text()
