"""Others that spot words, each in an environment of its own, on the same sound."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..builds import built
from ..processes import ONE_THREAD, Arguments, output

PEERS_RATE_HZ = 16_000


@dataclass(frozen=True)
class Peer:
    """Another spotter, at fixed versions."""

    name: str
    script: str
    """Beside this module; prints the CPU time of one pass over the sound that it is given."""
    requirements: tuple[str, ...]
    """Everything that is installed, but for what these need themselves."""
    alone: tuple[str, ...] = ()
    """Installed without what it asks for."""


PEERS = (
    Peer(
        "pymicro-wakeword",
        "peer_pymicro_wakeword.py",
        ("pymicro-wakeword==2.5.0", "pymicro-features==2.0.2", "numpy==2.4.6"),
    ),
    Peer(
        "openwakeword",
        "peer_openwakeword.py",
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


def environment(peer: Peer, cache: Path) -> Path:
    """The Python of a peer's environment, set up in `cache` where it is not there yet.

    Raises:
        InputError: pip failed, or the cache cannot be written.
    """
    key = hashlib.sha256(" ".join([sys.version, *peer.requirements, *peer.alone]).encode()).hexdigest()[:12]

    def build(folder: Path) -> None:
        output([sys.executable, "-m", "venv", folder], f"{peer.name}: making its environment")
        python = folder / "bin" / "python"
        pip: Arguments = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if peer.alone:
            output([*pip, "--no-deps", *peer.alone], f"{peer.name}: installing it")
        output([*pip, *peer.requirements], f"{peer.name}: installing what it needs")

    return built(cache / f"{peer.name}-{key}", build) / "bin" / "python"


def cpu_s(peer: Peer, python: Path, sound: Path) -> float:
    """CPU time of a peer's pass over a recording, in a fresh process, its start not counted.

    Args:
        peer: which.
        python: of its environment.
        sound: wav, 16 bit, mono, 16 kHz.

    Raises:
        InputError: the peer failed.
    """
    script = Path(__file__).with_name(peer.script)
    # Nothing of this environment may leak into the peer's.
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return float(output([python, "-P", script, sound], peer.name, {**mine, **ONE_THREAD}))
