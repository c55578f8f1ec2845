"""Plain functions and places that several tests use."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fork_server import QUIET
from numpy.typing import NDArray

from kws_device.model import model_file
from kws_device.model.manifest_json import sealed
from kws_device.model.model_file import ModelFile

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("KWS_DATA", ROOT.parent / "shared" / "data"))

WITHOUT_XLA = {"TF_DETERMINISTIC_OPS": "1"}
"""Environment in which Keras does not compile with XLA, which takes longer than most tests train.

Keras leaves XLA out where TensorFlow is asked for deterministic operations.
"""


def first_network(name: str | Path | None = None) -> ModelFile:
    """A shipped model's first network alone, under a manifest of schema 3, which has no verifier.

    Args:
        name: of the model; None: the default.
    """
    file = model_file.read(model_file.find(name))
    manifest = replace(file.manifest.without_verifier(), schema=3)
    return replace(file, manifest=sealed(file.model, manifest), verifier=None)


def console_script(name: str) -> Path:
    """The script of one of the kit's commands; skips the test where its package is not installed."""
    script = Path(sys.executable).with_name(name)
    if not script.is_file():
        pytest.skip(f"{name} is not installed in this environment, which has the device package alone")
    return script


def as_installed() -> dict[str, str]:
    """Environment of people, who do train with XLA, without progress bars and the notes of libraries."""
    return {name: value for name, value in {**os.environ, **QUIET}.items() if name not in WITHOUT_XLA}


def run_installed(
    name: str, *arguments: object, env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run one of the kit's commands by its console script, in a process of its own.

    Args:
        name: of the command.
        arguments: of the command.
        env: its whole environment but for QUIET; None: `as_installed`.
        options: of subprocess.run.
    """
    environment = as_installed() if env is None else {**env, **QUIET}
    return subprocess.run(
        [console_script(name), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        **options,
    )


def one_line_refusal(result: subprocess.CompletedProcess[str], *words: object, code: int = 2) -> None:
    """Assert what every bad input must lead to: exit 2, and one line that names the matter.

    An unmet requirement looks the same, with code 3.
    """
    assert result.returncode == code, result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    for word in words:
        assert str(word) in lines[0]


def level_dbfs(samples: NDArray[np.floating[Any]]) -> float:
    """Level of the mean square in dB re full scale; minus infinity for silence or no samples."""
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(np.square(samples, dtype=np.float64).sum() / max(1, len(samples))))


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first of pytest's workers to ask for it makes, and the others take as it is.

    Args:
        tmp_path_factory: pytest's own.
        name: of the folder.
        make: fills the folder, which is there and empty.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of all workers
    folder, made = base / name, base / f"{name}.made"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder
