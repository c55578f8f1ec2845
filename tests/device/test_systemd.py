"""What systemd hears of us, on a real datagram socket."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import ROOT, one_line_refusal

from kws_device import InputError
from kws_device.cli import listen
from kws_device.cli.install_service import install
from kws_device.sinks import SystemdNotifier
from kws_device.sources import LISTENING


class Clock:
    now_s = 1000.0

    def __call__(self):
        return self.now_s


class Systemd:
    """Its end of the socket."""

    def __init__(self, name):
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)

    def heard(self):
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self):
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path):
    name = str(tmp_path / "notify") if request.param == "path" else f"@kws-test-{os.getpid()}"
    made = Systemd(name)
    yield made
    made.close()


def decide(service, state=LISTENING):
    service.decided(None, SimpleNamespace(state=state, name="microphone"))


def test_ready_with_the_first_decision_and_only_once(systemd):
    service = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    assert systemd.heard() == []
    for _ in range(3):
        decide(service)
    assert systemd.heard() == ["READY=1", "STATUS=listening"]


def test_a_change_of_the_source_is_the_status(systemd):
    service = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    decide(service)
    systemd.heard()
    for state in ("the microphone\nis away", "the microphone\nis away", LISTENING):
        decide(service, state)
    assert systemd.heard() == ["STATUS=the microphone is away", "STATUS=listening"]


def test_what_keeps_it_from_starting_is_the_status_until_it_listens(systemd):
    service = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    service.noted("waiting for a microphone")
    decide(service)
    service.noted("a command failed")
    decide(service)
    assert systemd.heard() == ["STATUS=waiting for a microphone", "READY=1", "STATUS=listening"]


def test_the_watchdog_gets_a_sign_of_life_at_least_every_half_of_its_interval(systemd):
    clock = Clock()
    environment = {
        "NOTIFY_SOCKET": systemd.name,
        "WATCHDOG_USEC": "9000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    service = SystemdNotifier(environment, clock)
    at_s = []
    for i in range(300):
        clock.now_s = 1000 + i / 10
        decide(service)
        at_s += [i / 10 for message in systemd.heard() if message == "WATCHDOG=1"]
    pauses_s = [later - earlier for earlier, later in pairwise(at_s)]
    assert at_s[0] == 0
    assert max(pauses_s) <= 4.5
    assert min(pauses_s) >= 3 - 1e-6


@pytest.mark.parametrize(
    "watchdog", [{}, {"WATCHDOG_USEC": "9000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}]
)
def test_no_watchdog_no_signs_of_life(watchdog, systemd):
    service = SystemdNotifier({"NOTIFY_SOCKET": systemd.name, **watchdog})
    decide(service)
    assert systemd.heard() == ["READY=1", "STATUS=listening"]


def test_the_end_is_told(systemd):
    service = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    service.finished({})
    assert systemd.heard() == ["STOPPING=1"]


def test_a_reload_is_told_with_its_time_and_ends_with_ready(systemd):
    service = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    decide(service)
    systemd.heard()
    before_us = time.monotonic_ns() // 1000
    service.reloading()
    kind, when = systemd.heard()[0].split("\n")
    assert kind == "RELOADING=1"
    assert before_us <= int(when.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    service.ready()
    decide(service)
    assert systemd.heard() == ["READY=1"]


def test_a_reload_that_nobody_ended_is_over_with_the_next_decision(systemd):
    service = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    decide(service)
    service.reloading()
    systemd.heard()
    decide(service)
    assert systemd.heard() == ["READY=1"]


def test_a_socket_that_nobody_reads_never_holds_the_listening_up_and_ready_is_told_later(systemd):
    # Linux holds a few datagrams for a reader that does not come; the rest must be given up at once.
    service = SystemdNotifier({"NOTIFY_SOCKET": systemd.name})
    for i in range(5000):
        service.noted(f"waiting {i}")
    decide(service)
    assert "READY=1" not in systemd.heard()
    decide(service)
    assert systemd.heard() == ["READY=1", "STATUS=listening"]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_without_systemd_nothing_happens(environment):
    service = SystemdNotifier(environment)
    service.noted("a note")
    decide(service)
    service.reloading()
    service.ready()
    service.finished({})


def test_the_unit_is_one_that_systemd_understands(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = (ROOT / "device" / "kws_device" / "systemd" / "kws-listen.service").read_text()
    # Where nothing is installed in /opt, the one thing missing.
    (tmp_path / "kws-listen.service").write_text(unit.replace("/opt/kws/bin/kws-listen", "/bin/true"))
    command = ["systemd-analyze", "verify", tmp_path / "kws-listen.service"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert [line for line in result.stderr.splitlines() if "kws-listen" in line] == []


def unit_settings():
    """The settings of the unit's section [Service]."""
    unit = (ROOT / "device" / "kws_device" / "systemd" / "kws-listen.service").read_text()
    _, _, service = unit.partition("[Service]")
    lines = service.partition("[Install]")[0].splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_what_the_service_writes_is_for_its_user_alone_and_it_has_no_address():
    settings = unit_settings()
    assert settings["UMask"] == "0077"
    assert settings["IPAddressDeny"] == "any"
    assert settings["OOMPolicy"] == "continue"


def test_the_service_may_read_proc_cpuinfo():
    # Without it XNNPACK does not start, and inference takes 30 to 60 times as long.
    assert unit_settings().get("ProcSubset", "all") == "all"


def test_systemd_finds_little_exposed():
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = ROOT / "device" / "kws_device" / "systemd" / "kws-listen.service"
    # Of 100; systemd calls up to 20 safe.
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=10", "--no-pager", unit]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def exec_start(unit):
    return next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))


def test_the_unit_is_written_for_this_installation_and_any_path(shipped, tmp_path):
    program = tmp_path / "bin" / "kws-listen"
    model = tmp_path / "my models" / "100%$HOME.tflite"
    model.parent.mkdir()
    shutil.copy(shipped, model)
    unit = install(tmp_path / "units", str(model), program)
    escaped = str(model).replace("%", "%%").replace("$", "$$")
    assert exec_start(unit) == f'ExecStart={program} --wait --json --model "{escaped}"'
    packed = (ROOT / "device" / "kws_device" / "systemd" / "kws-listen.service").read_text()
    assert unit.read_text().replace(exec_start(unit), "") == packed.replace(
        "ExecStart=/opt/kws/bin/kws-listen --wait --json --model /opt/kws/kws.tflite", ""
    )
    if shutil.which("systemd-analyze") is not None:
        program.parent.mkdir()
        program.symlink_to("/bin/true")
        result = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
        assert [line for line in result.stderr.splitlines() if "kws-listen" in line] == []


@pytest.mark.parametrize("home", ["/home/pi/kws.tflite", "/root/kws.tflite"])
def test_a_home_directory_is_refused_since_the_service_cannot_see_it(home, tmp_path):
    with pytest.raises(InputError, match="may not read home directories; install the package into /opt/kws"):
        install(tmp_path, None, Path(home))
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_unit_and_tells_what_comes_next(shipped, tmp_path, monkeypatch, capsys):
    # Wherever this environment lies: a home directory would be refused.
    monkeypatch.setattr(sys, "executable", "/opt/kws/bin/python")
    model = shutil.copy(shipped, tmp_path / "own.tflite")
    assert listen.main(["--install-service", str(tmp_path / "units"), "--model", str(model)]) == 0
    assert exec_start(tmp_path / "units" / "kws-listen.service").endswith(f"--model {model}")
    told = capsys.readouterr().err.splitlines()
    assert "systemctl enable --now kws-listen" in told[1]
    examples = Path(told[2].rpartition(": ")[2])
    assert {path.suffix for path in examples.iterdir()} == {".service", ".rules", ".conf"}


def test_a_service_without_its_model_is_refused(command, tmp_path):
    result = command("kws-listen", "--install-service", tmp_path / "no", "--model", "none", check=False)
    one_line_refusal(result, "none: no such model file")
    assert not (tmp_path / "no").exists()
