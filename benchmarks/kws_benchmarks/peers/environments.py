"""The other engines that are supported, at fixed versions, and how their environments are made."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from kws_device import InputError

from .._support.build_cache import built
from .._support.processes import Arguments, output


@dataclass(frozen=True)
class Peer:
    """Another engine, at fixed versions."""

    name: str
    script: str
    """Beside this module; see `peer_process` for what it reads and prints."""
    words: tuple[str, ...]
    """The models that it comes with."""
    requirements: tuple[str, ...]
    """Everything that is installed, but for what these need themselves."""
    alone: tuple[str, ...] = ()
    """Installed without what it asks for."""

    @property
    def key(self) -> str:
        """Changes with the versions; hexadecimal."""
        versions = " ".join([sys.version, *self.requirements, *self.alone])
        return hashlib.sha256(versions.encode()).hexdigest()


PEERS = (
    Peer(
        "pymicro-wakeword",
        "peer_pymicro_wakeword.py",
        ("hey_jarvis", "alexa", "hey_mycroft", "okay_nabu"),
        ("pymicro-wakeword==2.5.0", "pymicro-features==2.0.2", "numpy==2.4.6"),
    ),
    Peer(
        "openwakeword",
        "peer_openwakeword.py",
        ("hey_jarvis", "alexa", "hey_mycroft"),
        (
            "numpy==2.4.6",
            "onnxruntime==1.31.1",
            "scipy==1.17.1",
            "scikit-learn==1.9.1",
            "tqdm==4.70.1",
            "requests==2.34.2",
        ),
        # It asks for tflite-runtime, which does not go with NumPy 2, and runs on ONNX without it.
        alone=("openwakeword==0.5.1",),
    ),
)
"""pymicro-wakeword is the cheapest we know of, openWakeWord the best known."""


def find(text: str) -> tuple[Peer, str]:
    """A peer and one of its words, as they are named on the command line.

    Args:
        text: NAME:WORD, for example pymicro-wakeword:alexa.

    Raises:
        InputError: no such peer, or it has no such word.
    """
    name, _, word = text.partition(":")
    peer = next((peer for peer in PEERS if peer.name == name), None)
    if peer is None:
        raise InputError(
            f"--peer {text}: write NAME:WORD; known engines are {', '.join(p.name for p in PEERS)}"
        )
    if word not in peer.words:
        raise InputError(f"--peer {text}: the words of {name} are {', '.join(peer.words)}")
    return peer, word


def environment(peer: Peer, cache: Path) -> Path:
    """The Python of a peer's environment, set up in `cache` where it is not there yet.

    Raises:
        InputError: pip failed, or the cache cannot be written.
    """

    def build(folder: Path) -> None:
        output([sys.executable, "-m", "venv", folder], f"{peer.name}: making its environment")
        python = folder / "bin" / "python"
        pip: Arguments = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if peer.alone:
            output([*pip, "--no-deps", *peer.alone], f"{peer.name}: installing it")
        output([*pip, *peer.requirements], f"{peer.name}: installing what it needs")

    return built(cache / f"{peer.name}-{peer.key[:12]}", build) / "bin" / "python"
