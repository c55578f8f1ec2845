"""A fresh process that works through a sound as fast as it goes, run by its path, as peers are.

    python pipeline_script.py MODEL SOUND      (at the model's rate)

Prints the CPU time of one pass over the sound, from samples to events, in seconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from kws_device import Spotter, audio_files

_BLOCK_S = 0.1


def main() -> None:
    """Listen to blocks of the sound, which is in memory already."""
    model, sound = sys.argv[1:]
    spotter = Spotter.load(model)
    rate = spotter.manifest.front_end.sample_rate_hz
    samples = audio_files.read(Path(sound), rate)
    block = round(_BLOCK_S * rate)
    began_s = time.process_time()
    for start in range(0, len(samples), block):
        spotter.feed(samples[start : start + block])
    print(time.process_time() - began_s)


if __name__ == "__main__":
    main()
