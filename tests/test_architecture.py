"""The floors: who may import whom, and what must not be loaded where it is heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import ROOT

FLOORS = {
    "device": {"kws_device"},
    "training": {"kws_training", "kws_device"},
    "export": {"kws_export", "kws_training", "kws_device"},
    "benchmarks": {"kws_benchmarks", "kws_training", "kws_device"},
}
INSIDE: dict[str, list[set[str]]] = {
    "training/kws_training": [
        {"recipes"},
        {"data"},
        {"signal"},
        {"loop"},
        {"evaluation"},
        {"mining"},
        {"schemes/kit", "schemes/study"},
        {"schemes/verifier"},
        {"own"},
        {"cli"},
    ],
    "device/kws_device": [
        {"_support", "levels", "ring_buffer"},
        {"audio_files", "front_end", "events", "mic_check"},
        {"model", "sources", "activity_gate"},
        {"takes"},
        {"arming", "overrides", "verifier", "word_end"},
        {"taught_words"},
        {"decoder", "near_misses"},
        {"spotter"},
        {"requests", "teaching", "trial"},
        {"sinks"},
        {"session", "services"},
        {"__init__"},
        {"cli"},
    ],
    "export/kws_export": [
        {"files", "intervals", "logits", "tensor_names", "tflite_graph", "tflite_model"},
        {"calibration", "card", "layers", "onnx_graph", "parity", "tflite", "upgrade"},
        {"layers_report", "limits", "onnx_operators"},
        {"onnx_model"},
        {"conversion"},
        {"export", "verifier"},
        {"cli"},
    ],
    "benchmarks/kws_benchmarks": [
        {"_support"},
        {"peers", "playback"},
        {"pi", "robustness", "soak", "speed", "stream"},
        {"report"},
        {"cli"},
    ],
}
"""The folders and modules of a package, the lowest first. Those of one floor know nothing of each other."""
MOST_LINES = 320
"""Of a module."""
DEVICE_PACKAGES = {
    "numpy",
    "soundfile",
    "soxr",
    "sounddevice",
    "ai_edge_litert",
    "tflite_runtime",
    "onnxruntime",
    "cryptography",
    "paho",
    "wyoming",
    "zeroconf",
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


def own_imports(package: Path) -> Iterator[tuple[Path, int, str]]:
    """Every import of a package's own modules: file, line, and the module's path below the package."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            module = (node.module or "").split(".") if node.module else []
            if node.level:
                folder = path.parent.relative_to(package.parent).parts
                module = [*folder[: len(folder) - node.level + 1], *module]
            if module[:1] == [package.name]:
                # A name may be a module, and then it counts itself.
                below = "/".join(module[1:])
                for name in (alias.name for alias in node.names):
                    whole = package / below / name
                    is_module = whole.is_dir() or whole.with_suffix(".py").is_file()
                    module_path = f"{below}/{name}".strip("/") if is_module else below
                    yield path, node.lineno, module_path or "__init__"


@pytest.mark.parametrize("package", INSIDE)
def test_inside_a_package_imports_go_down_only(package):
    floors = {folder: n for n, folders in enumerate(INSIDE[package]) for folder in folders}

    def folder_of(place: str) -> str | None:
        return next((folder for folder in floors if f"{place}/".startswith(f"{folder}/")), None)

    wrong, strangers = [], set()
    for path, line, module in own_imports(ROOT / package):
        here = path.relative_to(ROOT / package).with_suffix("").as_posix()
        ours, theirs = folder_of(here), folder_of(module)
        if ours is None or theirs is None:
            strangers.add(here if ours is None else module)
        elif ours != theirs and floors[theirs] >= floors[ours]:
            wrong.append(f"{here}.py:{line} imports {module}")
    assert (wrong, strangers) == ([], set())


@pytest.mark.parametrize("package", INSIDE)
def test_modules_are_short(package):
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / package).rglob("*.py")
    }
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_nobody_asks_of_which_kind_a_recipe_is():
    asked = [
        f"{path.name}:{node.lineno}"
        for folder in ("training", "export", "benchmarks")
        for path in (ROOT / folder).rglob("kws_*/**/*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "isinstance"
        and "Recipe" in ast.unparse(node.args[1])
    ]
    assert asked == []


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
        ("kws_device.cli.listen", {"sounddevice", "tensorflow", "librosa"}),
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
