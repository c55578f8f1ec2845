"""What a model makes of a recording, and of given windows. Run by its path, here and on the Pi.

    python scores.py MODEL SOUND OUT.npz [GIVEN.npz]

Needs the device package alone. OUT gets the windows that each network was asked about, as the engine takes
them (`windows`; `stretches` for the verifier, if there is one), and its scores by head, not smoothed: `heard`
from the newest frames, decision by decision, and `batch` from each of the same stretches of sound at once.
With GIVEN, `given`: the scores of its windows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_device import AudioFile, Spotter
from kws_device.front_end import log_mel
from kws_device.model import model_file
from kws_device.model.engine import load_engine, load_verifier
from kws_device.model.manifest import Manifest
from kws_device.model.recording_engine import RecordingEngine

Scores = dict[str, NDArray[np.float32]]


def by_head(answers: list[Scores], prefix: str) -> Scores:
    """Scores of all windows, shape (windows, labels), by prefixed head."""
    return {prefix + head: np.stack([answer[head] for answer in answers]) for head in answers[0]}


def main() -> None:
    """Write OUT."""
    model, sound, out, *given = sys.argv[1:]
    file = model_file.read(Path(model))
    manifest, engine, verifier = file.manifest, load_engine(file), load_verifier(file)
    first, second = RecordingEngine(engine), None if verifier is None else RecordingEngine(verifier)
    spotter = Spotter(manifest, first, verifier=second)
    asked = {"windows": _Asked(first, spotter.clip)}
    if second is not None:
        asked["stretches"] = _Asked(second, spotter.stretch)
    for _ in spotter.decisions(AudioFile(sound)):
        for one in asked.values():
            one.decided(manifest)
    found: dict[str, NDArray[Any]] = {}
    for name, one in asked.items():
        if one.windows:
            found |= (
                {name: np.stack(one.windows)} | by_head(one.heard, "heard ") | by_head(one.batch, "batch ")
            )
    if given:
        with np.load(given[0], allow_pickle=False) as content:
            for name, one in asked.items():
                if name in content:
                    found |= by_head([one.recording.engine.run(window) for window in content[name]], "given ")
    np.savez(out, **found)  # type: ignore[arg-type]


class _Asked:
    """What one of the networks was asked, and what it answered."""

    def __init__(self, recording: RecordingEngine, sound: Callable[[], NDArray[np.float32]]) -> None:
        """`sound` is what the network's newest window is made of."""
        self.recording = recording
        self._sound = sound
        self.windows: list[NDArray[Any]] = []
        self.heard: list[Scores] = []
        self.batch: list[Scores] = []

    def decided(self, manifest: Manifest) -> None:
        """Keep what the network was asked at this decision, if it was."""
        if self.recording.times_asked == len(self.windows):
            return
        self.windows.append(self.recording.window)
        self.heard.append(self.recording.answer)
        mels = log_mel(self._sound(), manifest.front_end)
        self.batch.append(self.recording.engine.scores(manifest.normalisation.apply(mels)))


if __name__ == "__main__":
    main()
