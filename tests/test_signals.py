"""The tests themselves, from a shell that ignores Ctrl-C."""

from __future__ import annotations

import subprocess
import sys

from helpers import ROOT


def test_tests_of_ctrl_c_pass_where_the_shell_ignores_it():
    test = "tests/device/test_listen.py::test_ctrl_c_ends_with_a_summary_and_130"
    arguments = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    result = subprocess.run([*ignoring, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout
