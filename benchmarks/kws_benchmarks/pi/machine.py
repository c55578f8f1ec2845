"""The emulated computer: a processor, a Debian, and the programs that run there."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .._support.build_cache import built
from .._support.processes import ONE_THREAD, Arguments, output, require

_PLUGIN = Path(__file__).with_name("insncount.c")
_FOLDERS = ("bin", "etc", "lib", "sbin", "usr", "var")


@dataclass(frozen=True)
class Processor:
    """A Raspberry Pi's processor."""

    name: str
    board: str
    variant: int
    part: int
    revision: int
    features: str
    """As Linux lists them."""


_V8 = "fp asimd evtstrm crc32 cpuid"
_V82 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
PROCESSORS = {
    processor.name: processor
    for processor in (
        Processor("a53", "Raspberry Pi Zero 2 W Rev 1.0", 0x0, 0xD03, 4, _V8),
        Processor("a72", "Raspberry Pi 4 Model B Rev 1.2", 0x0, 0xD08, 3, _V8),
        Processor("a76", "Raspberry Pi 5 Model B Rev 1.0", 0x4, 0xD0B, 1, _V82),
    )
}


def cpuinfo(processor: Processor) -> str:
    """Its /proc/cpuinfo, with one core; libraries choose their kernels by it."""
    lines = {
        "processor": "0",
        "BogoMIPS": "108.00",
        "Features": processor.features,
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": f"{processor.variant:#x}",
        "CPU part": f"{processor.part:#x}",
        "CPU revision": str(processor.revision),
    }
    core = "".join(f"{key}\t: {value}\n" for key, value in lines.items())
    return f"{core}\nModel\t\t: {processor.board}\n"


def counter(cache: Path) -> Path:
    """The plugin that counts instructions, compiled where it is not there yet.

    Raises:
        InputError: QEMU or the compiler is missing.
    """
    require({"qemu-aarch64": "qemu-user", "gcc": "gcc"})
    version = output(["qemu-aarch64", "--version"], "asking QEMU for its version")
    found = re.search(r"version (\d+)", version)
    # QEMU 9 and later refuse plugins of the first interface; what we use of it is the same in the second.
    api = 2 if found and int(found.group(1)) >= 9 else 1

    def build(folder: Path) -> None:
        library: Arguments = ["-shared", "-fPIC", "-o", folder / "insncount.so"]
        output(["gcc", "-O2", f"-DAPI_VERSION={api}", *library, _PLUGIN], "compiling the counter")

    key = hashlib.sha256(_PLUGIN.read_bytes()).hexdigest()[:12]
    return built(cache / f"counter-{api}-{key}", build) / "insncount.so"


class Machine:
    """Runs aarch64 programs on one emulated processor; they see this machine's files beside their own."""

    def __init__(self, processor: Processor, root: Path, plugin: Path, folder: Path) -> None:
        """Set up in an empty `folder`, linked to what lies in `root`. Python keeps its caches there."""
        self._processor, self._plugin = processor, plugin
        self._root = folder / "root"
        (self._root / "proc").mkdir(parents=True)
        (self._root / "proc" / "cpuinfo").write_text(cpuinfo(processor), encoding="utf-8")
        for name in _FOLDERS:
            (self._root / name).symlink_to(root / name)
        self._count = folder / "instructions"

    def run(self, program: Sequence[str | Path], path: Sequence[Path], what: str) -> tuple[str, int]:
        """Run a program of the emulated Debian.

        Args:
            program: its name below the root, then its arguments.
            path: where its Python finds packages.
            what: it is doing, for the error.

        Returns:
            its stdout, and how many instructions it took.

        Raises:
            InputError: it failed.
        """
        self._count.unlink(missing_ok=True)
        # The static build (qemu-user-static) has no plugins.
        qemu: Arguments = [
            shutil.which("qemu-aarch64") or "qemu-aarch64", "-cpu", f"cortex-{self._processor.name}",
            "-L", self._root, "-plugin", f"{self._plugin},out={self._count}",
        ]  # fmt: skip
        environment = {
            **ONE_THREAD,
            "PATH": "/usr/bin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            # The same dictionaries in every run, so that counts repeat.
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": ":".join(map(str, path)),
        }
        said = output([*qemu, self._root / program[0], *program[1:]], what, environment)
        return said, int(self._count.read_text(encoding="ascii"))
