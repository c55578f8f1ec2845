"""What the tests share: real recordings, the shipped model, the demo, and commands run as people run them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import trees
from helpers import DATA, ROOT

from kws_device import model_file


def pytest_addoption(parser):
    """How far the fuzzers go (tests/fuzz)."""
    fuzz = parser.getgroup("fuzz")
    fuzz.addoption("--mutants", type=int, metavar="N", help="of each kind, instead of a few")
    fuzz.addoption("--fuzz-seed", type=int, default=1, metavar="N", help="draws other mutants (1)")
    findings = ROOT / "findings"
    fuzz.addoption(
        "--fuzz-findings", type=Path, default=findings, metavar="DIR", help="what breaks something"
    )


def pytest_configure():
    """Let Ctrl-C end child processes where the shell ignores it (`make test &` in a script, `trap '' INT`).

    A child inherits that a signal is ignored, but not a handler. With one that does nothing these
    tests still ignore Ctrl-C, and their children do not.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything must be there (KWS_REQUIRE_ALL=1), a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("KWS_REQUIRE_ALL") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def data() -> Path:
    """The real recordings; see KWS_DATA in CONTRIBUTING.md."""
    if not (DATA / "speech_commands_mini").is_dir():
        pytest.skip(f"no real recordings in {DATA}; set KWS_DATA")
    return DATA


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The shipped model's file."""
    return model_file.find(None)


@pytest.fixture(scope="session")
def demo() -> Path:
    """The folder of the demo recording."""
    return ROOT / "device" / "demo"


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def command() -> Command:
    """Runs one of the kit's commands as a person would: command("kws-listen", "--info")."""

    def call(
        name: str, *arguments: object, env=os.environ, **options: object
    ) -> subprocess.CompletedProcess[str]:
        path = Path(sys.executable).with_name(name)
        environment = {**env, "TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        return subprocess.run(
            [path, *map(str, arguments)], capture_output=True, text=True, env=environment, **options
        )

    return call


SMALL = (
    "model.stem=4", "model.planes=[4]", "model.channels=8", "model.blocks=1",
    "optimisation.batch_size=16", "epoch.least_windows=256",
    "optimisation.learning_rate=0.01", "augmentation.fragment_prob=0.0",
    "augmentation.speed=0.0", "augmentation.mel_masks=0",
    "export.windows=100", "export.keyword_loss_points=5.0", "export.scene_loss_points=5.0",
    "export.int8_agreement=0.9", "export.formats_agreement=0.95",
)  # fmt: skip
"""A network that learns our small trees of tones in seconds."""


@dataclass(frozen=True)
class Trained:
    """A small run on small trees."""

    run: Path
    speech: Path
    scenes: Path

    @property
    def arguments(self) -> list[object]:
        """The command that trained it, without --out."""
        sets = [part for value in SMALL for part in ("--set", value)]
        data = ["--speech", self.speech, "--scenes", self.scenes]
        return ["kws-train", "default", *data, "--keywords", "yes,no", "--epochs", "15", *sets]


@pytest.fixture(scope="session")
def trained(command, tmp_path_factory) -> Trained:
    """kws-train from nothing to a run, once for all tests."""
    folder = tmp_path_factory.mktemp("trained")
    speech, scenes = trees.speech_commands(folder / "speech"), trees.esc50(folder / "scenes")
    made = Trained(folder / "run", speech, scenes)
    result = command(*made.arguments, "--out", made.run)
    assert result.returncode == 0, result.stderr
    return made


@pytest.fixture(scope="session")
def verifier_run(tmp_path_factory) -> Path:
    """The run of a small verifier."""
    import small_verifier

    return small_verifier.train(tmp_path_factory.mktemp("verifier"))


@pytest.fixture(scope="session")
def verified(verifier_run, command, tmp_path_factory) -> Path:
    """The shipped files with that verifier."""
    import small_verifier

    out = tmp_path_factory.mktemp("verified")
    result = command("kws-export", "verifier", verifier_run, *small_verifier.first_network(), "--out", out)
    assert result.returncode == 0, result.stderr
    return out
