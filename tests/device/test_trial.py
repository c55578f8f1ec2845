"""Models that harm the process that runs them, tried in a process of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import one_line_refusal

from kws_device import InputError, trial

LISTEN = Path(sys.executable).with_name("kws-listen")

ENGINE = """
import ctypes, os, resource, time

class SessionOptions:
    def add_session_config_entry(self, key, value):
        pass

class InferenceSession:
    def __init__(self, content, options, providers):
        {fault}
"""
"""An onnxruntime whose models are all alike; what they do is the fault."""

FAULTS = {
    "abort": ("os.abort()", "signal 6"),
    "segmentation fault": ("ctypes.string_at(0)", "signal 11"),
    "allocation of 3 GB": ("bytearray(3 << 30)", "MemoryError"),
    "endless sleep": ("time.sleep(600)", "longer than 20 s"),
    "endless loop": ("any(iter(int, 1))", "takes longer than"),
    "unknown exception": ("raise OverflowError('int too large to convert to float')", "int too large"),
    "end of the process": ("os._exit(0)", "exit code 0"),
    "claim to have passed": ("print('passed', flush=True); os._exit(0)", "exit code 0"),
    "claim to be refused": ("os._exit(2)", "exit code 2"),
}


@pytest.fixture
def model(shipped, tmp_path):
    """An .onnx that is not a shipped file."""
    return Path(shutil.copy(shipped.with_name("kws.onnx"), tmp_path / "own.onnx"))


@pytest.fixture
def engine(tmp_path):
    """Makes a folder with an engine that has a fault."""

    def make(fault):
        (tmp_path / "engines" / "onnxruntime").mkdir(parents=True)
        (tmp_path / "engines" / "onnxruntime" / "__init__.py").write_text(ENGINE.format(fault=fault))
        return tmp_path / "engines"

    return make


@pytest.mark.parametrize("kind", FAULTS)
def test_whatever_a_model_does_is_one_line_and_the_process_goes_on(kind, model, engine, monkeypatch, capfd):
    fault, words = FAULTS[kind]
    monkeypatch.syspath_prepend(engine(fault))
    with pytest.raises(InputError, match=words) as refused:
        trial.run(model, model.read_bytes())
    assert str(model) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["kws.tflite", "kws.onnx", "kws-float.onnx", "accurate.onnx", "tiny.tflite"])
def test_a_good_model_passes(name, shipped):
    path = shipped.with_name(name)
    assert trial.run(path, path.read_bytes()) is None


def test_the_limits_hold_before_the_model_is_loaded(model, engine, monkeypatch):
    kinds = "(resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)"
    fault = f"raise RuntimeError('limits: %d %d %d %d' % tuple(resource.getrlimit(k)[0] for k in {kinds}))"
    monkeypatch.syspath_prepend(engine(fault))
    with pytest.raises(InputError) as refused:
        trial.run(model, model.read_bytes())
    _, _, limits = str(refused.value).partition("limits: ")
    addresses, cpu_s, core, size = map(int, limits.partition(")")[0].split())
    assert 256 << 20 < addresses < 1 << 30
    assert 6 < cpu_s < 60
    assert (core, size) == (0, 0)


def test_a_module_in_the_working_directory_is_not_imported(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("numpy.py", "json.py", "kws_device.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the working directory')")
    assert trial.run(model, model.read_bytes()) is None


def test_kws_listen_refuses_a_model_that_kills_its_process(command, demo, model, engine):
    path = f"{engine('os.abort()')}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    environment = {**os.environ, "PYTHONPATH": path}
    result = command("kws-listen", "--model", model, "--file", demo / "demo.flac", "--json", env=environment)
    one_line_refusal(result, model, "signal 6")
    assert result.stdout == ""


def test_a_shipped_model_needs_no_second_process(demo, model):
    # Where no process can be started, a file from elsewhere is refused and a shipped one listens.
    script = f"""
import subprocess, sys
def refused(*arguments, **options): raise OSError(11, "Resource temporarily unavailable")
subprocess.run = refused
from kws_device.cli.listen import main
main(["--model", sys.argv[1], "--file", {str(demo / "demo.flac")!r}])
"""
    shipped = subprocess.run([sys.executable, "-c", script, "kws"], capture_output=True, text=True)
    assert shipped.returncode == 0, shipped.stderr
    own = subprocess.run([sys.executable, "-c", script, model], capture_output=True, text=True)
    assert "no process for its trial run" in own.stderr


@pytest.fixture
def listening(demo, shipped, tmp_path, engine):
    """A listener that hears the demo in real time; its file is a TFLite model, and ONNX Runtime is faulty."""

    def start(fault):
        model = tmp_path / "own"
        shutil.copy(shipped, model)
        environment = {**os.environ, "PYTHONPATH": f"{engine(fault)}:{os.environ.get('PYTHONPATH', '')}"}
        arguments = [LISTEN, "--model", model, "--file", demo / "demo.flac", "--real-time", "--json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(arguments, text=True, env=environment, **pipes))
        return started[-1], model

    started: list[subprocess.Popen[str]] = []
    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", ["abort", "endless loop"])
def test_a_harmful_model_that_is_swapped_in_is_told_once_and_the_old_one_listens_on(kind, listening, shipped):
    fault, words = FAULTS[kind]
    process, model = listening(fault)
    process.stdout.readline()
    shutil.copy(shipped.with_name("kws.onnx"), model)
    process.send_signal(signal.SIGHUP)
    before_s = time.monotonic()
    events = [json.loads(process.stdout.readline())]
    line = process.stderr.readline()
    assert "stays as it was" in line
    assert words in line
    # It went on listening in the meantime: what it heard is there at once.
    while events[-1]["end_s"] < time.monotonic() - before_s:
        events.append(json.loads(process.stdout.readline()))
    # One more, since SIGTERM in the middle of printing the line would have it printed again.
    events.append(json.loads(process.stdout.readline()))
    process.send_signal(signal.SIGTERM)
    rest, complaint = process.communicate(timeout=10)
    assert (process.returncode, complaint) == (0, "")
    assert json.loads(rest.splitlines()[-1])["type"] == "summary"
