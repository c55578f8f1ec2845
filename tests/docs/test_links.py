"""Links between pages, on a code host and on the site."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pages
import pytest
from helpers import ROOT

PAGES = [
    pytest.param(page, id=str(page.relative_to(ROOT))) for page in [*pages.pages(), ROOT / "CHANGELOG.md"]
]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts and the site make them."""
    headings = re.findall(r"^#+ +(.+)$", pages.prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_file_of_the_repository_leads_somewhere(page):
    for target in LINK.findall(pages.prose(page)):
        if ":" in target:
            continue
        name, _, anchor = target.partition("#")
        aim = Path(os.path.normpath(page.parent / name)) if name else page
        assert aim.exists(), f"{page.name}: {target}"
        assert aim.is_relative_to(ROOT), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(aim), f"{page.name}: {target}"


def test_the_site_builds_without_a_warning(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    commands = (tmp_path / "reference" / "commands.html").read_text(encoding="utf-8")
    assert "usage: kws-bench soak" in commands
    api = (tmp_path / "reference" / "python-api.html").read_text(encoding="utf-8")
    assert "kws_device.Spotter.feed" in api
