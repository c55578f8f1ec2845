"""Switches a lamp by voice: `yes` turns it on, `no` turns it off. Keeps the sound of every word in a folder.

    python examples/microphone.py             # lists the microphones
    python examples/microphone.py usb clips   # listens to the one whose name contains "usb", until Ctrl-C

The model is read again when the process gets SIGHUP.
"""

import contextlib
import signal
import sys
from pathlib import Path

from kws_device import (
    AudioSource,
    Clips,
    Decision,
    InputError,
    Microphone,
    Session,
    Sink,
    Spotter,
    microphones,
)


class Lamp(Sink):
    """Gets every decision and acts on two words. Must return at once, since the sound goes on."""

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """Called ten times a second; most decisions have no event."""
        if decision.event is not None and decision.event.keyword in ("yes", "no"):
            print("lamp", "on" if decision.event.keyword == "yes" else "off", flush=True)

    def noted(self, text: str) -> None:
        """Called when something happens that people should know of."""
        print(text, file=sys.stderr, flush=True)


def main(name: str, clips: Path) -> None:
    """Listen until Ctrl-C. A microphone that is unplugged is waited for."""
    microphone, lamp = Microphone(name), Lamp()
    session = Session(Spotter.load, lamp, [Clips(clips, lamp.noted)])
    signal.signal(signal.SIGHUP, lambda number, frame: session.reload_soon())
    with contextlib.suppress(KeyboardInterrupt):
        session.run([microphone])


if __name__ == "__main__":
    try:
        if len(sys.argv) == 3:
            main(sys.argv[1], Path(sys.argv[2]))
        else:
            for device in microphones():
                print(f"{device.name}  ({device.sample_rate_hz:.0f} Hz, channels: {device.channels})")
    except InputError as error:
        sys.exit(f"error: {error}")
