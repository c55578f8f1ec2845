"""Plain functions and places that several tests use."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

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
