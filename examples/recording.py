"""Prints the words in a recording, how sure the model is of each, and how loud it was.

python examples/recording.py device/demo/demo.flac
"""

import sys

from kws_device import AudioFile, InputError, Spotter


def main(path: str) -> None:
    """Listen to a sound file as fast as the machine can."""
    spotter = Spotter.load()
    for decision in spotter.decisions(AudioFile(path)):
        if (event := decision.event) is not None:
            peak = f"{decision.peak_dbfs:4.0f} dBFS"
            print(f"{event.end_s:6.1f} s  {event.keyword:<6} {event.score:.2f} {peak}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: recording.py FILE")
    try:
        main(sys.argv[1])
    except InputError as error:
        sys.exit(f"error: {error}")
