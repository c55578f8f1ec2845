"""The packages as they are published: their metadata, and that they are built alike everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser

import pytest
import tomllib
from helpers import ROOT
from packaging.requirements import Requirement

import kws_device

FOLDERS = {"kws-kit": ".", "kws-device": "device", "kws-training": "training"}
FOLDERS |= {"kws-export": "export", "kws-benchmarks": "benchmarks"}


def built(folder, out):
    """The wheel and the source archive of a folder."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(out)]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    (wheel,), (source,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, source


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        return Parser().parsestr(archive.read(name).decode()), archive.namelist()


@pytest.fixture(scope="module", params=FOLDERS)
def package(request, tmp_path_factory):
    """Name, wheel and source archive of each package."""
    out = tmp_path_factory.mktemp(request.param)
    return request.param, *built(ROOT / FOLDERS[request.param], out)


def test_a_wheel_says_whose_it_is_and_under_which_licence(package):
    name, wheel, _ = package
    said, files = metadata(wheel)
    assert (said["Name"], said["Version"]) == (name, kws_device.__version__)
    assert said["License-Expression"] == "Apache-2.0"
    assert said["Author"] == "kws-kit contributors"
    assert said.get_payload().startswith("# kws-")
    assert any(file.endswith("licenses/LICENSE") for file in files)
    assert name == "kws-kit" or f"{name.replace('-', '_')}/py.typed" in files


def test_siblings_are_of_the_same_version(package):
    needed = [Requirement(text) for text in metadata(package[1])[0].get_all("Requires-Dist", [])]
    for requirement in needed:
        if requirement.name in FOLDERS:
            assert str(requirement.specifier) == f"=={kws_device.__version__}", requirement


def test_the_source_archive_builds_the_same_wheel(package, tmp_path):
    _, wheel, source = package
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    again, _ = built(folder, tmp_path / "again")
    assert again.read_bytes() == wheel.read_bytes()


def test_all_copies_of_the_licence_are_the_same():
    licence = (ROOT / "LICENSE").read_bytes()
    assert all((ROOT / folder / "LICENSE").read_bytes() == licence for folder in FOLDERS.values())


def test_the_kit_installs_the_listener_and_its_extras_the_rest():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [Requirement(text).name for text in project["dependencies"]] == ["kws-device"]
    extras = {name: Requirement(text) for name, (text,) in project["optional-dependencies"].items()}
    assert {extras[name].name for name in ("train", "export", "bench")} == set(FOLDERS) - {
        "kws-kit",
        "kws-device",
    }
    device = tomllib.loads((ROOT / "device" / "pyproject.toml").read_text())["project"]
    for requirement in extras.values():
        if requirement.name == "kws-device":
            assert requirement.extras <= set(device["optional-dependencies"])
