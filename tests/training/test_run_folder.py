"""The folder of a run belongs to one process; what a killed one left goes, and a full disk is one line."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import one_line_refusal

from kws_device import InputError
from kws_training.loop import memory
from kws_training.loop.event_log import log_epoch
from kws_training.loop.run_folder import LOCK, run_folder

OWNER = "import sys; from pathlib import Path; from kws_training.loop.run_folder import run_folder\n" + (
    "with run_folder(Path(sys.argv[1])): print('owned', flush=True); sys.stdin.read()"
)


@pytest.fixture
def owner(tmp_path):
    """Another process that trains into tmp_path/run."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path / "run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "owned\n"
        yield process
        process.kill()


def test_a_second_trainer_is_refused_until_the_first_has_ended(owner, tmp_path):
    with pytest.raises(InputError, match="run: another process trains into it"), run_folder(tmp_path / "run"):
        pytest.fail("two owners")
    owner.communicate()
    with run_folder(tmp_path / "run"):
        assert (tmp_path / "run" / LOCK).exists()
    assert not (tmp_path / "run").exists()


def test_the_folder_of_a_killed_trainer_is_taken_over_and_cleaned(owner, tmp_path):
    run = tmp_path / "run"
    for name in (
        ".model-a1b2c3d4.keras",
        ".history-zzzz_999.csv",
        "model.keras",
        ".keep",
        ".notes-of-mine.txt",
    ):
        (run / name).write_text("half")
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert (run / LOCK).exists()
    with run_folder(run):
        pass
    assert sorted(path.name for path in run.iterdir()) == [".keep", ".notes-of-mine.txt", "model.keras"]


def test_a_folder_in_which_nothing_was_written_goes_again(tmp_path):
    with pytest.raises(InputError, match="bad data"), run_folder(tmp_path / "new" / "run"):
        raise InputError("bad data")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with run_folder(tmp_path / "mine"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match="cannot be written"), run_folder(out):
            pytest.fail("not a folder")


def test_a_full_disk_is_told_and_other_faults_are_not_taken_for_one(tmp_path):
    with pytest.raises(InputError, match=r"No space left on device.*make room"), run_folder(tmp_path / "run"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(PermissionError), run_folder(tmp_path / "run"):
        raise PermissionError(errno.EACCES, "elsewhere")


def test_a_full_log_is_an_error_here_and_not_in_a_thread(tmp_path):
    log_epoch(tmp_path, 1, {"loss": 0.5})
    log_epoch(tmp_path, 2, {"loss": 0.4})
    assert len(list(tmp_path.iterdir())) == 2
    code = "import sys; from pathlib import Path; from kws_training.loop.event_log import log_epoch\n" + (
        "try: log_epoch(Path(sys.argv[1]), 3, {str(i): 0.1 for i in range(2000)})\n"
        "except OSError as error: print(error.strerror)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, preexec_fn=small_disk
    )
    assert (result.stdout, result.stderr) == ("File too large\n", "")


def test_without_tensorboardx_a_run_has_no_log_and_no_fault(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    log_epoch(tmp_path / "log", 1, {"loss": 0.5})
    assert not (tmp_path / "log").exists()


def small_disk() -> None:
    """No file may grow beyond some kB, as on a disk that is full by then."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))


def test_training_onto_a_full_disk_ends_in_one_line(trained, command, tmp_path):
    arguments = [*trained.arguments, "--epochs", "2", "--out", tmp_path / "run"]
    result = command(*arguments, preexec_fn=small_disk)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"error: {tmp_path / 'run'}")
    assert "make room" in result.stderr
    assert not list((tmp_path / "run").glob(".*"))


def test_two_trainers_into_one_folder_do_not_both_report_success(trained, command, tmp_path):
    name, *arguments = map(str, [*trained.arguments, "--epochs", "1", "--out", tmp_path / "run"])
    with subprocess.Popen(
        [Path(sys.executable).with_name(name), *arguments], stderr=subprocess.PIPE, text=True
    ) as first:
        while not (tmp_path / "run" / LOCK).exists():
            assert first.poll() is None
            time.sleep(0.01)
        one_line_refusal(command(name, *arguments), tmp_path / "run", "another process trains into it")
        first.communicate()
    assert first.returncode == 0


def test_free_memory_is_a_part_of_the_machines(monkeypatch, tmp_path):
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory.free_bytes() < whole
    for name, content in (
        ("memory.max", "5000"),
        ("memory.current", "4000"),
        ("memory.stat", "inactive_file 500"),
    ):
        (tmp_path / name).write_text(content + "\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.free_bytes() == 1500
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    assert memory.free_bytes() == whole // 2
