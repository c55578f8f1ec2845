"""kws-bench pi, but for the whole of it, which fetches a Debian and takes a minute: the command itself does.

What is tried here runs in seconds: counting, what is installed, what counts as equal, what is refused.
"""

from __future__ import annotations

import os
import shutil
import struct
import zipfile

import pytest
from helpers import one_line_refusal

from kws_benchmarks.pi.emulation import same_events, score_differences
from kws_benchmarks.pi.hosts import Here
from kws_benchmarks.pi.machine import PROCESSORS, Machine, counter, cpuinfo
from kws_benchmarks.pi.userland import device_wheel, requirements
from kws_device import InputError


def tools():
    for tool in ("qemu-aarch64", "gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def program(path, rounds, exit_code=0):
    """A static aarch64 program of 4 instructions and 2 in each round of a loop."""
    code = struct.pack(
        "<6I",
        0xD2800001 | rounds << 5,  # mov x1, rounds
        0xF1000421,  # subs x1, x1, 1
        0x54FFFFE1,  # b.ne back
        0xD2800BA8,  # mov x8, 93: exit
        0xD2800000 | exit_code << 5,  # mov x0, exit_code
        0xD4000001,  # svc 0
    )
    base, head = 0x400000, 64 + 56
    size = head + len(code)
    elf = b"\x7fELF\x02\x01\x01" + bytes(9)
    elf += struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, base + head, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    elf += struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(elf + code)
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path):
    tools()
    (tmp_path / "machine").mkdir()
    return Machine(PROCESSORS["a53"], tmp_path / "root", counter(tmp_path / "cache"), tmp_path / "machine")


def test_instructions_are_counted_exactly(machine, tmp_path):
    for rounds in (1, 1000, 60000):
        program(tmp_path / "root" / "usr" / "count", rounds)
        assert machine.run(["usr/count"], [], "counting") == ("", 4 + 2 * rounds)


def test_a_program_that_fails_on_the_pi_is_named(machine, tmp_path):
    program(tmp_path / "root" / "usr" / "count", 1, exit_code=3)
    with pytest.raises(InputError, match="counting failed: exit code 3"):
        machine.run(["usr/count"], [], "counting")


def test_the_counter_is_compiled_once(tmp_path):
    tools()
    plugin = counter(tmp_path)
    stamp = plugin.stat().st_mtime_ns
    assert counter(tmp_path).stat().st_mtime_ns == stamp


@pytest.mark.parametrize(
    ("cpu", "part", "dot"), [("a53", "0xd03", False), ("a72", "0xd08", False), ("a76", "0xd0b", True)]
)
def test_each_processor_introduces_itself_as_linux_would(cpu, part, dot):
    text = cpuinfo(PROCESSORS[cpu])
    assert f"CPU part\t: {part}\n" in text
    assert ("asimddp" in text) == dot
    assert "Raspberry Pi" in text


def wheel(path, *lines):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kws_device-1.dist-info/METADATA", "\n".join(["Name: kws-device", *lines, "", ""]))
    return path


def test_what_a_wheel_asks_for_is_read_from_it(tmp_path):
    made = wheel(
        tmp_path / "a.whl", "Requires-Dist: numpy>=1.24", "Requires-Dist: onnxruntime; extra == 'onnx'"
    )
    assert requirements(made) == ["numpy>=1.24"]
    (tmp_path / "b.whl").write_text("no zip")
    with pytest.raises(InputError, match=r"b\.whl: not a wheel"):
        requirements(tmp_path / "b.whl")
    with pytest.raises(InputError, match=r"c\.whl: not a wheel"):
        requirements(tmp_path / "c.whl")


def test_the_wheel_that_is_tried_is_the_devices_own(tmp_path):
    made = device_wheel(tmp_path)
    assert any(line.startswith("numpy") for line in requirements(made))
    with zipfile.ZipFile(made) as archive:
        shipped = {f"kws_device/model/shipped/{name}.tflite" for name in ("kws", "accurate", "tiny")}
        assert shipped <= set(archive.namelist())


def test_events_are_the_same_up_to_a_step_of_their_scores():
    one = {"keyword": "yes", "score": 0.9, "start_s": 1.0, "scene": None}
    assert same_events([one], [{**one, "score": 0.9 + 1 / 256}])
    assert not same_events([one], [{**one, "score": 0.91}])
    assert not same_events([one], [{**one, "start_s": 1.1}])
    assert not same_events([one], [{**one, "keyword": "no"}])
    assert not same_events([one], [{**one, "scene": "rain"}])
    assert not same_events([one], [])
    assert same_events([], [])


def test_scores_are_compared_between_the_sides_and_between_stream_and_batch(shipped, tmp_path):
    found = score_differences(Here(), Here(), shipped, tmp_path)
    assert found.compared > 1000
    assert (found.different, found.of_windows, found.of_sound) == (0, 0, 0)
    assert found.streaming_equals_batch


def test_missing_tools_and_bad_input_are_named_in_one_line(command, tmp_path):
    one_line_refusal(command("kws-bench", "pi", "--model", "none"), "none")
    nowhere = {**os.environ, "PATH": str(tmp_path)}
    result = command("kws-bench", "pi", "--cache", tmp_path / "cache", env=nowhere)
    one_line_refusal(result, "qemu-aarch64, gcc: not installed", "sudo apt install gcc qemu-user")
    one_line_refusal(command("kws-bench", "pi", "--cpu", "z80"), "z80")
    tools()
    arguments = ("kws-bench", "pi", "--cache", tmp_path / "cache", "--wheel", tmp_path / "no.whl")
    one_line_refusal(command(*arguments), "no.whl: not a wheel")
