"""Each distribution declares what it imports, and imports what it declares."""

from __future__ import annotations

import ast
import sys

import pytest
import tomllib
from helpers import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDERS = ("device", "training", "export", "benchmarks")
DISTRIBUTION_OF = {"paho": "paho-mqtt"}
"""Of an import whose distribution has another name; the rest differ in case and dashes alone."""
NOT_DECLARED = {
    "device": {"tflite-runtime"},  # what was before ai-edge-litert; used where it is installed
    "export": {"tensorflow"},  # an extra of kws-training, which is declared
    "benchmarks": {"librosa", "openwakeword", "pymicro-wakeword"},  # compared with where they are installed
}
NOT_IMPORTED = {"training": {"tensorflow", "jax", "torch"}}  # backends, which Keras imports


def imported(folder):
    """The distributions that a folder's package imports, but itself and the standard library."""
    names = set()
    for path in (ROOT / folder / f"kws_{folder}").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.split(".")[0])
    foreign = names - set(sys.stdlib_module_names) - {f"kws_{folder}"}
    return {canonicalize_name(DISTRIBUTION_OF.get(name, name)) for name in foreign}


def declared(folder):
    """The distributions in a folder's pyproject.toml, extras included."""
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    extras = [text for texts in project.get("optional-dependencies", {}).values() for text in texts]
    return {canonicalize_name(Requirement(text).name) for text in [*project["dependencies"], *extras]}


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_imported_is_declared(folder):
    assert imported(folder) - declared(folder) == NOT_DECLARED.get(folder, set())


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_declared_is_imported(folder):
    assert declared(folder) - imported(folder) == NOT_IMPORTED.get(folder, set())
