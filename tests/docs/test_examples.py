"""Every command line of the documentation can be typed as it stands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import command_line
import pages
import pytest
from helpers import ROOT

import kws_device
from kws_device import AudioFile, InputError

PROGRAMS = set(command_line.SUBCOMMANDS)
SYSTEM = {
    ".", "aplay", "apt", "cat", "chmod", "cp", "echo", "install", "journalctl", "ls", "make", "minisign",
    "mkdir", "mosquitto_pub", "mosquitto_sub", "mv", "pip", "pytest", "python", "python3", "scp", "ssh",
    "systemctl", "tee", "uname", "python3.13",
}  # fmt: skip
"""Programs of others that the pages use."""
PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages.pages()]
WITH_PYTHON = [
    page for page in PAGES if any(block.language == "python" for block in pages.blocks(page.values[0]))
]
IN_TEXT = re.compile(rf"`((?:{'|'.join(PROGRAMS)})(?: [^`]*)?)`")


def program(words: list[str]) -> str:
    return words[0].rpartition("/")[2]


def ours(page: Path) -> list[list[str]]:
    return [[program(words), *words[1:]] for words in pages.commands(page) if program(words) in PROGRAMS]


def text_of(words: list[str]) -> str:
    """The help of the command that these words begin with."""
    wanted = " ".join(words[:2])
    return command_line.help_text(wanted if wanted in set(command_line.all_commands()) else words[0])


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_kit_is_taken_by_its_parser(page):
    for words in ours(page):
        try:
            command_line.parse(words)
        except InputError as error:
            pytest.fail(f"{page.name}: {' '.join(words)}: {error}")


@pytest.mark.parametrize("page", PAGES)
def test_every_other_command_is_one_that_is_known(page):
    unknown = [words for words in pages.commands(page) if program(words) not in PROGRAMS | SYSTEM]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_the_text_has_the_options_that_are_named(page):
    for found in IN_TEXT.finditer(pages.prose(page)):
        words = found[1].split()
        for option in re.findall(r"--[a-z][a-z-]*", found[1]):
            assert re.search(rf"{option}\b(?!-)", text_of(words)), f"{page.name}: {found[0]}: no {option}"


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_is_there(page):
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[1] for words in pages.commands(page) if program(words) == "make"}
    named |= set(re.findall(r"`make ([\w-]+)`", pages.prose(page)))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES)
def test_every_recipe_and_every_value_that_an_example_sets_is_there(page, tmp_path, monkeypatch):
    """kws-train reads the recipe before it looks for the data, so what it misses must be the data."""
    monkeypatch.chdir(tmp_path)
    for words in ours(page):
        if (
            words[0] == "kws-train"
            and "--out" in words
            and words[1] not in command_line.SUBCOMMANDS[words[0]]
        ):
            with pytest.raises(InputError) as error:
                command_line.programs()[words[0]](words[1:])
            missing = str(error.value).partition(":")[0]
            assert missing in words, f"{page.name}: {' '.join(words)}: {error.value}"


def test_the_reference_has_every_command_once():
    sources = [
        path
        for folder in ("device", "training", "export", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ]
    written = {
        name
        for path in sources
        for name in re.findall(r'prog="(kws-[^"]+)"', path.read_text(encoding="utf-8"))
    }
    assert written <= set(command_line.all_commands())
    for name, subcommands in command_line.SUBCOMMANDS.items():
        shown = command_line.help_text(name)
        assert all(subcommand in shown for subcommand in subcommands), name
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    alone = {"kws-data", "kws-bench"}  # they do nothing without a subcommand
    expected = [name for name in command_line.all_commands() if name not in alone]
    assert re.findall(r"<!-- help: (.+) -->", page) == expected


# What follows runs what the beginner is told to type.

SLOW = {"make", "apt", ".", "python3", "scp", "pip"}
"""Installation, and other computers. `make listen` is run by the tests of the demo."""
NO_MICROPHONE = {"--device", "--list-devices", "--check"}
HOURS = {"own"}


def quick(words: list[str]) -> bool:
    return program(words) not in SLOW and not {*words} & NO_MICROPHONE and not {*words[1:2]} & HOURS


def typed(page: Path) -> list[str]:
    """The lines of a page's shell blocks that need neither a microphone nor hours."""
    lines = [line for block in pages.blocks(page) if block.language == "sh" for line in block.command_lines]
    return [line for line in lines if all(quick(words) for words in pages.simple_commands(line))]


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like the repository to somebody who follows the tutorial."""
    shutil.copytree(ROOT / "device" / "demo", tmp_path / "device" / "demo")
    return tmp_path


def test_the_first_steps_can_be_typed_one_after_the_other(checkout):
    if shutil.which("espeak-ng") is None or shutil.which("flite") is None:
        pytest.skip("needs espeak-ng and flite")
    lines = typed(ROOT / "docs" / "tutorials" / "first-steps.md")
    assert len(lines) >= 12
    script = "\n".join([f"PATH={Path(sys.executable).parent}:$PATH", "set -e", *lines])
    result = subprocess.run(["bash", "-c", script], cwd=checkout, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (checkout / "heard.txt").read_text().startswith("yes in rain")
    assert any((checkout / "clips").glob("*_yes_*.wav"))
    assert (checkout / "reports" / "voices" / "index.html").is_file()


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_python_examples_run(page, checkout, monkeypatch, shipped):
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(kws_device, "Microphone", lambda name: AudioFile("device/demo/demo.flac"))
    shutil.copy(shipped, "kws.tflite")
    for block in pages.blocks(page):
        if block.language == "python":
            exec(compile(block.text, str(page), "exec"), {})


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
