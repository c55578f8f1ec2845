"""The software of a Raspberry Pi: Debian, Python, and the device's wheel with its dependencies."""

from __future__ import annotations

import email
import hashlib
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kws_device import InputError

from .._support import checkout
from .._support.build_cache import built
from .._support.processes import Arguments, output, require

_PACKAGES = ("python3", "libstdc++6")
"""With all that these depend on; every Raspberry Pi OS has them."""
_GLIBC = (17, 27, 28, 31, 34, 35, 36, 39, 41)
"""Minor versions that wheels are made for."""


@dataclass(frozen=True)
class Suite:
    """A release of Debian, as Raspberry Pi OS is made from it."""

    name: str
    python: str
    """Its Python."""
    glibc: int
    """The minor version of its C library."""


SUITES = {
    suite.name: suite for suite in (Suite("bookworm", "3.11", glibc=36), Suite("trixie", "3.13", glibc=41))
}


def debian(suite: Suite, cache: Path, mirror: str | None) -> Path:
    """The root of a bare aarch64 Debian with Python, nothing configured, set up where it is not there.

    Args:
        suite: which Debian.
        cache: folder of all of them.
        mirror: address; None: where this machine's apt gets its own Debian.

    Raises:
        InputError: tools are missing, no mirror is known, or it cannot be fetched.
    """

    def build(folder: Path) -> None:
        require({"mmdebstrap": "mmdebstrap", "tar": "tar"})
        archive = folder.with_suffix(".tar")
        # Packages are only unpacked: nothing is mounted, and nothing of it runs here.
        mmdebstrap: Arguments = [
            "mmdebstrap", "--quiet", "--mode=chrootless", "--variant=extract", "--arch=arm64",
            f"--include={','.join(_PACKAGES)}", suite.name, archive,
            f"deb {mirror or _own_mirror()} {suite.name} main",
        ]  # fmt: skip
        output(mmdebstrap, f"fetching Debian {suite.name} for aarch64")
        tar: Arguments = ["tar", "--extract", "--no-same-owner", "--exclude=./dev", "--directory", folder]
        output([*tar, "--file", archive], f"unpacking Debian {suite.name}")
        archive.unlink()
        # What base-files would do when it is configured.
        for name in ("bin", "sbin", "lib"):
            if not (folder / name).exists():
                (folder / name).symlink_to(f"usr/{name}")

    return built(cache / f"debian-{suite.name}-{_key(_PACKAGES)}", build)


def _key(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _own_mirror() -> str:
    """Raises InputError where apt knows none of Debian."""
    require({"apt-get": "apt"})
    targets = output(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)/$(LABEL) $(REPO_URI)"], "asking apt for its mirror"
    )
    for line in targets.splitlines():
        origin, _, address = line.partition(" ")
        if origin == "Debian/Debian":
            return address
    raise InputError("apt knows no mirror of Debian; run apt-get update, or name one with --mirror")


def device_wheel(folder: Path) -> Path:
    """The device's wheel, made from the checkout into `folder`. Raises InputError where pip fails."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    output([*pip, "--wheel-dir", folder, checkout.root() / "device"], "making the device's wheel")
    (wheel,) = folder.glob("kws_device-*.whl")
    return wheel


def requirements(wheel: Path) -> list[str]:
    """What a wheel asks for, its extras left out.

    Raises:
        InputError: it is no wheel.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = email.message_from_bytes(archive.read(name))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{wheel}: not a wheel that can be read ({error}); make one: make wheel") from error
    asked = [str(line) for line in metadata.get_all("Requires-Dist", [])]
    return [line for line in asked if "extra ==" not in line]


def packages(suite: Suite, wanted: Sequence[str], cache: Path) -> Path:
    """A folder with packages for the Pi's Python, as `pip install` finds them there.

    Raises:
        InputError: pip failed; for example where something has no wheel for the Pi.
    """
    constraints = checkout.root() / "device" / "constraints.txt"
    key = _key([*wanted, constraints.read_text(encoding="utf-8")])
    return built(
        cache / f"packages-{suite.name}-{key}",
        lambda folder: install(suite, ["--constraint", str(constraints), *wanted], folder),
    )


def install(suite: Suite, arguments: Sequence[str], folder: Path) -> None:
    """Install wheels for the Pi's Python into a folder. Raises InputError where pip fails."""
    platforms = ["manylinux2014_aarch64", *(f"manylinux_2_{v}_aarch64" for v in _GLIBC if v <= suite.glibc)]
    pip = [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile",
        "--only-binary=:all:", "--implementation=cp", f"--python-version={suite.python}",
        *(f"--platform={platform}" for platform in platforms),
    ]  # fmt: skip
    output([*pip, "--target", folder, *arguments], f"installing packages for {suite.name}")
