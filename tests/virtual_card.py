"""A microphone without a sound card: a private PulseAudio, which PortAudio sees through ALSA."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

CONFIGURATION = """
</usr/share/alsa/alsa.conf>
pcm.virtmic {{ type pulse server "unix:{0}/native" device "mic" hint {{ show on description "virtual" }} }}
pcm.!default {{ type pulse server "unix:{0}/native" device "mic" }}
pcm.virtspeaker {{ type pulse server "unix:{0}/native" device "virtmic"
                   hint {{ show on description "heard by virtmic" }} }}
pcm.playedmic {{ type file slave.pcm "virtmic" file "/dev/null" infile "{0}/in.raw" format "raw"
                 hint {{ show on description "a file heard in real time" }} }}
"""


class VirtualCard:
    """Two microphones: `virtmic` hears what `virtspeaker` plays, `playedmic` a recording in real time."""

    def __init__(self, folder: Path, rate_hz: int, played: np.ndarray) -> None:
        """`played` is int16, shape (n,), at `rate_hz`."""
        if shutil.which("pulseaudio") is None:
            pytest.skip("pulseaudio is not installed: no virtual microphone")
        folder.chmod(0o700)
        (folder / "in.raw").write_bytes(played.tobytes())
        (folder / "asound.conf").write_text(textwrap.dedent(CONFIGURATION).format(folder))
        self._folder = folder
        self._rate_hz = rate_hz
        self.server: subprocess.Popen | None = None
        self.environment = {
            **os.environ,
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
            "PULSE_SERVER": f"unix:{folder}/native",
        }

    def start(self) -> None:
        folder = self._folder
        places = dict.fromkeys(
            ("HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH", "PULSE_STATE_PATH"), str(folder)
        )
        self.server = subprocess.Popen(
            [
                "pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
                "--realtime=no", "--high-priority=no",
                "-L", f"module-native-protocol-unix auth-anonymous=1 socket={folder}/native",
                "-L", f"module-null-sink sink_name=virtmic rate={self._rate_hz} channels=1 format=s16le",
                "-L", "module-remap-source source_name=mic master=virtmic.monitor channels=1",
            ],
            env={**os.environ, **places, "DBUS_SESSION_BUS_ADDRESS": ""},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        while not (folder / "native").exists():
            assert time.monotonic() < deadline, "PulseAudio did not start"
            assert self.server.poll() is None, "PulseAudio ended"
            time.sleep(0.05)

    def kill(self) -> None:
        """As if the card had been pulled out."""
        if self.server is not None:
            self.server.kill()
            self.server.wait(10)
            self.server = None

    def suspend(self, suspended: bool) -> None:
        """Streams of a suspended source get no sound, and are not told."""
        subprocess.run(
            ["pactl", "suspend-source", "mic", str(int(suspended))], env=self.environment, check=True
        )
