"""What a model makes of a recording, and of given windows. Run by its path, here and on the Pi.

    python scores.py MODEL SOUND OUT.npz [GIVEN.npz]

Needs the device package alone. OUT gets the windows that the model was asked about and its scores by head,
not smoothed; with GIVEN, the scores of its windows too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_device import AudioFile, Spotter, model_file
from kws_device.engine import Engine, load_engine

Scores = dict[str, NDArray[np.float32]]


class Witness(Engine):
    """An engine that remembers what it was asked and what it answered."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.windows: list[NDArray[np.float32]] = []
        self.answers: list[Scores] = []

    def prepare(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """See Engine. Left to `run`, which is to see real numbers."""
        return frames

    def run(self, window: NDArray[np.float32]) -> Scores:
        """See Engine."""
        answer = self._engine.scores(window)
        self.windows.append(window.copy())
        self.answers.append({head: scores.copy() for head, scores in answer.items()})
        return answer


def by_head(answers: list[Scores], prefix: str) -> Scores:
    """Scores of all windows, shape (windows, labels), by prefixed head."""
    return {prefix + head: np.stack([answer[head] for answer in answers]) for head in answers[0]}


def main() -> None:
    """Write OUT."""
    model, sound, out, *given = sys.argv[1:]
    file = model_file.read(Path(model))
    witness = Witness(load_engine(file))
    for _ in Spotter(file.manifest, witness).decisions(AudioFile(sound)):
        pass
    found = by_head(witness.answers, "heard ")
    if given:
        again = Witness(load_engine(file))
        with np.load(given[0], allow_pickle=False) as content:
            for window in content["windows"]:
                again.run(window)
        found |= by_head(again.answers, "given ")
    np.savez(out, windows=np.stack(witness.windows), **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
