"""The Markdown of the repository: its pages, and what stands in their code blocks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from helpers import ROOT

SHELLS = {"sh", "ini"}
"""Languages of blocks with command lines; ini: units of systemd."""
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Every page that a person reads, the history in CHANGELOG.md apart."""
    folders = [ROOT / "docs", ROOT / "device"]
    return [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted(path for folder in folders for path in folder.rglob("*.md")),
    ]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    language: str
    text: str

    @property
    def command_lines(self) -> list[str]:
        """Its lines, those that a backslash continues put together, without what a here-document holds."""
        lines = re.sub(r"<<'(\w+)'\n.*?^\1$", "", self.text, flags=re.MULTILINE | re.DOTALL)
        joined = re.sub(r"\\\n\s*", "", lines)
        return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, without their indentation."""
    return [
        Block(page, found["language"], re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE))
        for found in _FENCE.finditer(page.read_text(encoding="utf-8"))
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every simple command in a page's blocks of shell and of systemd's units.

    sudo, redirections and the assignments before a command are left out.
    """
    for block in blocks(page):
        if block.language not in SHELLS:
            continue
        for line in block.command_lines:
            if block.language == "ini":
                if not line.startswith("ExecStart=/"):
                    continue
                line = line.removeprefix("ExecStart=")
            yield from simple_commands(line)


def simple_commands(line: str) -> Iterator[list[str]]:
    """The words of each simple command of a line, as `commands` gives them."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if not set(word) <= set(";|&"):
            words.append(word)
            continue
        for sign in (">", ">>", "<", "<<"):
            words = words[: words.index(sign)] if sign in words else words
        while words and (words[0] == "sudo" or re.fullmatch(r"\w+=.*", words[0])):
            words = words[1:]
        if words:
            yield words
        words = []
