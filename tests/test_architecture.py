"""The floors: who may import whom, and what must not be loaded where it is heavy."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from helpers import ROOT

FLOORS = {
    "device": {"kws_device"},
    "training": {"kws_training", "kws_device"},
    "export": {"kws_export", "kws_training", "kws_device"},
    "benchmarks": {"kws_benchmarks", "kws_training", "kws_device"},
}
DEVICE_PACKAGES = {
    "numpy",
    "soundfile",
    "soxr",
    "sounddevice",
    "ai_edge_litert",
    "tflite_runtime",
    "onnxruntime",
    "cryptography",
}


def imports(folder: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            else:
                continue
            for name in names:
                found.setdefault(name.split(".")[0], set()).add(path.name)
    return found


@pytest.mark.parametrize("folder", FLOORS)
def test_a_floor_imports_only_itself_and_the_floors_it_stands_on(folder):
    ours = {name: files for name, files in imports(folder).items() if name.startswith("kws_")}
    assert set(ours) - FLOORS[folder] == set(), ours


def test_the_device_imports_nothing_that_a_pi_does_not_have():
    standard = set(sys.stdlib_module_names)
    strange = {
        n: f for n, f in imports("device").items() if n not in standard | DEVICE_PACKAGES | {"kws_device"}
    }
    assert strange == {}


@pytest.mark.parametrize("folder", FLOORS)
def test_no_json_is_written_with_numbers_that_it_has_no_word_for(folder):
    """Python writes NaN and Infinity, which no other reader takes, unless it is told not to."""
    careless = [
        f"{path.name}:{node.lineno}"
        for path in (ROOT / folder).rglob("kws_*/**/*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("json.dump", "json.dumps")
        and "allow_nan=False" not in ast.unparse(node)
    ]
    assert careless == []


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("kws_device.listen", {"sounddevice", "tensorflow", "librosa"}),
        ("kws_training.cli.train", {"tensorflow", "keras", "librosa", "matplotlib"}),
        ("kws_training.cli.data", {"tensorflow", "keras", "librosa", "matplotlib"}),
        ("kws_export.cli", {"tensorflow", "keras", "librosa", "matplotlib"}),
        ("kws_benchmarks.cli", {"tensorflow", "keras", "librosa", "matplotlib"}),
    ],
)
def test_help_does_not_load_what_is_heavy(module, forbidden):
    script = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert forbidden & set(loaded.stdout.split()) == set()
