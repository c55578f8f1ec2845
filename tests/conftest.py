"""What the tests share: real recordings, the shipped model, the demo, and commands run as people run them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import synthetic_datasets
from fork_server import ForkServer
from helpers import DATA, ROOT, WITHOUT_XLA, console_script, made_once, run_installed

from kws_device.model import model_file

os.environ.update(WITHOUT_XLA)


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


LONGEST = (
    "test_study_command.py", "test_train.py", "test_export.py", "test_study_runs.py", "test_refusals.py",
    "test_quantisation_aware.py",
)  # fmt: skip
"""Files that take the most time, the longest first."""


def pytest_collection_modifyitems(items):
    """Begin with the longest files, since at the end one worker would wait for the other."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything must be there (KWS_REQUIRE_ALL=1), a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("KWS_REQUIRE_ALL") == "1" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter):
    """How many tests were skipped, why, and what changes it."""
    skipped = terminalreporter.stats.get("skipped", [])
    if not skipped:
        return
    # Of a test that was skipped pytest keeps file, line and reason.
    reasons = Counter(str(report.longrepr[-1]).removeprefix("Skipped: ") for report in skipped)
    terminalreporter.section("skipped")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:4}  {reason}")
    terminalreporter.line(
        "Programs are installed by: make test-programs. Real recordings are read from the folder KWS_DATA."
    )


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

WITH_KERAS = ("kws-train", "kws-export")
"""Commands that import Keras and TensorFlow, seconds of CPU time, sooner or later."""


@pytest.fixture(scope="session")
def command(tmp_path_factory) -> Iterator[Command]:
    """Runs one of the kit's commands as a person would: command("kws-listen", "--info").

    It is a fork of a process that has imported what it needs (see fork_server), or, with any option of
    subprocess.run but `cwd`, a process of its own.
    """
    servers: dict[bool, ForkServer] = {}

    def call(name: str, *arguments: object, cwd=None, **options: object) -> subprocess.CompletedProcess[str]:
        if options:
            return run_installed(name, *arguments, cwd=cwd, **options)
        console_script(name)
        keras = name in WITH_KERAS
        if keras not in servers:
            modules = ("keras", "onnx") if keras else ("numpy", "soundfile", "soxr")
            servers[keras] = ForkServer(tmp_path_factory.mktemp("server"), modules)
        outcome = servers[keras].run([name, *arguments], cwd)
        return subprocess.CompletedProcess([name, *arguments], outcome.code, outcome.stdout, outcome.stderr)

    yield call
    for server in servers.values():
        server.close()


SMALL = (
    "model.stem=4", "model.planes=[4]", "model.channels=8", "model.blocks=1",
    "optimisation.batch_size=16", "epoch.least_windows=256",
    "optimisation.learning_rate=0.01", "augmentation.fragment_prob=0.0",
    "augmentation.speed=0.0", "augmentation.mel_masks=0",
    "export.windows=100", "export.keyword_loss_points=5.0", "export.scene_loss_points=5.0",
    "export.int8_agreement=0.9", "export.formats_agreement=0.95",
)  # fmt: skip
"""A network that learns our synthetic words and scenes in seconds."""


@dataclass(frozen=True)
class Trained:
    """A folder with a small run on small synthetic_datasets."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def speech(self) -> Path:
        return self.folder / "speech"

    @property
    def scenes(self) -> Path:
        return self.folder / "scenes"

    @property
    def arguments(self) -> list[object]:
        """The command that trained it, without --out."""
        sets = [part for value in SMALL for part in ("--set", value)]
        data = ["--speech", self.speech, "--scenes", self.scenes]
        return ["kws-train", "default", *data, "--keywords", "yes,no", "--epochs", "15", *sets]


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    """kws-train from nothing to a run, once for all tests, as it is installed."""

    def make(folder: Path) -> None:
        made = Trained(folder)
        synthetic_datasets.speech_commands(made.speech)
        synthetic_datasets.esc50(made.scenes)
        result = run_installed(*made.arguments, "--out", made.run)
        assert result.returncode == 0, result.stderr

    return Trained(made_once(tmp_path_factory, "trained", make))


@pytest.fixture(scope="session")
def verifier_run(tmp_path_factory) -> Path:
    """The run of a small verifier."""
    import small_verifier

    return made_once(tmp_path_factory, "verifier", small_verifier.train)


@pytest.fixture(scope="session")
def verified(verifier_run, tmp_path_factory) -> Path:
    """The shipped files with that verifier, by the command as it is installed."""
    import small_verifier

    def make(folder: Path) -> None:
        models = small_verifier.first_network()
        result = run_installed("kws-export", "verifier", verifier_run, *models, "--out", folder)
        assert result.returncode == 0, result.stderr

    return made_once(tmp_path_factory, "verified", make)
