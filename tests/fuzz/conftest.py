"""The fuzzers' server and how far they go: options are in the conftest.py above."""

from __future__ import annotations

from pathlib import Path

import pytest
from fork_server import ForkServer, serving
from fuzz.campaign import Campaign

MODULES = (
    "ai_edge_litert.interpreter", "soundfile", "soxr", "kws_device.spotter",
    "kws_benchmarks.robustness.compare", "kws_export.cli", "kws_training.data.check",
    "kws_training.loop.runs",
)  # fmt: skip
"""What the commands of a campaign import; ONNX Runtime is missing, since its threads survive no fork."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("server"), MODULES, limits=True) as running:
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
