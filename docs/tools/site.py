"""Hooks for MkDocs: pages from other folders, links that work in the repository too, and generated reference.

The pages are plain Markdown that a code host shows as well. What only the site can show stands in comments:

    <!-- help: kws-listen -->             the text of kws-listen --help
    <!-- api: kws_device.Spotter -->      the docstrings, by mkdocstrings
"""

from __future__ import annotations

import os
import posixpath
import re
import sys
from collections.abc import Callable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))
import command_line
from command_line import ROOT

DOCS = ROOT / "docs"
CARDS = {"kws", "accurate", "tiny"}

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_HELP = re.compile(r"^<!-- help: (.+) -->$", re.MULTILINE)
_API = re.compile(r"^<!-- api: (.+) -->$", re.MULTILINE)


def pages_from_elsewhere() -> dict[Path, str]:
    """Files outside docs/ that are pages of the site, each with its place there."""
    cards = [path for path in sorted((ROOT / "device").rglob("*.md")) if path.stem in CARDS]
    return {path: f"models/{path.name}" for path in cards} | {
        ROOT / "CONTRIBUTING.md": "contributing.md",
        ROOT / "CHANGELOG.md": "changelog.md",
    }


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from other folders."""
    for path, place in pages_from_elsewhere().items():
        files.append(File.generated(config, place, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Resolve links between folders, and put the generated reference in."""
    path = Path(page.file.abs_src_path or "").resolve()
    markdown = _outside_fences(
        markdown, lambda text: _LINK.sub(lambda link: _on_site(link, path, page), text)
    )
    markdown = _HELP.sub(lambda found: f"```text\n{command_line.help_text(found[1]).rstrip()}\n```", markdown)
    return _API.sub(lambda found: f"::: {found[1]}", markdown)


def _outside_fences(markdown: str, change: Callable[[str], str]) -> str:
    pieces, at = [], 0
    for fence in _FENCE.finditer(markdown):
        pieces += [change(markdown[at : fence.start()]), fence[0]]
        at = fence.end()
    return "".join([*pieces, change(markdown[at:])])


def _on_site(link: re.Match[str], path: Path, page: Page) -> str:
    """The same link for the site. What the site does not have, such as a source file, becomes plain text."""
    picture, text, target, anchor = link[1], link[2], link[3], link[4] or ""
    if not target or ":" in target:
        return link[0]
    aim = Path(os.path.normpath(path.parent / target))
    if not aim.exists():
        raise PluginError(f"{path.relative_to(ROOT)}: the link to {target} leads nowhere")
    if aim.is_dir() and (aim / "README.md").is_file() and aim.is_relative_to(DOCS):
        aim /= "README.md"
    elsewhere = pages_from_elsewhere()
    if aim in elsewhere:
        place = elsewhere[aim]
    elif aim.is_relative_to(DOCS) and aim.is_file():
        place = aim.relative_to(DOCS).as_posix()
    else:
        return text
    return f"{picture}[{text}]({posixpath.relpath(place, posixpath.dirname(page.file.src_uri))}{anchor})"
