"""The fuzzers' server and how far they go: options are in the conftest.py above."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.campaign import Campaign
from fuzz.fork_server import ForkServer, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def campaign(server: ForkServer, tmp_path: Path, pytestconfig):
    """campaign(name, make, mutants): so many of them, unless --mutants says otherwise."""

    def run(name, make, mutants):
        options = pytestconfig.option
        Campaign(server, tmp_path, options.fuzz_findings, options.mutants or mutants, options.fuzz_seed).run(
            name, make
        )

    return run
