"""Plain functions and places that several tests use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("KWS_DATA", ROOT.parent / "shared" / "data"))


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
