"""A fresh process that listens, run by its path: the device package and nothing else of the kit.

    python startup_script.py MODEL SOUND

Prints a line at the first decision, and its largest resident memory in kB when the sound has ended.
"""

from __future__ import annotations

import sys
from pathlib import Path

from kws_device import AudioFile, Spotter


def main() -> None:
    """Listen to the whole recording."""
    model, sound = sys.argv[1:]
    decisions = Spotter.load(model).decisions(AudioFile(sound))
    next(decisions)
    print("decided", flush=True)
    for _ in decisions:
        pass
    # Not resource.getrusage: its maximum is inherited from the process that started this one.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(status["VmHWM"].split()[0], flush=True)


if __name__ == "__main__":
    main()
