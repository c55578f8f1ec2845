"""What the public CI runs is what the Makefile, the packages and .ci/run say."""

from __future__ import annotations

import re

import pytest
import tomllib
import yaml
from helpers import ROOT

WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
RUNS = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]


def test_it_makes_what_the_makefile_has():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    made = {word for run in RUNS for word in re.findall(r"^make ([\w-]+)$", run, re.MULTILINE)}
    assert made == {"listen", "setup", "lint", "docs", "test", "test-device", "wheel"}
    assert made <= targets


def test_it_tests_the_device_on_every_python_that_it_is_for():
    project = tomllib.loads((ROOT / "device" / "pyproject.toml").read_text())["project"]
    said = {
        name.rsplit(" ", 1)[1] for name in project["classifiers"] if re.search(r"Python :: 3\.\d+$", name)
    }
    assert set(WORKFLOW["jobs"]["device"]["strategy"]["matrix"]["python"]) == said


@pytest.mark.parametrize("run", [run for run in RUNS if "apt-get install" in run])
def test_it_installs_programs_that_the_kit_names(run):
    known = set(re.findall(r"[\w.+-]+", (ROOT / "Makefile").read_text()))
    asked = re.findall(r"[\w.+-]+", run.split("--no-install-recommends")[1])
    assert set(asked) <= known


def test_no_step_of_it_can_change_the_repository():
    assert WORKFLOW["permissions"] == {"contents": "read"}
