"""What a model makes of a recording, and of given windows. Run by its path, here and on the Pi.

    python scores.py MODEL SOUND OUT.npz [GIVEN.npz]

Needs the device package alone. OUT gets the windows that the model was asked about, as the engine takes them,
and its scores by head, not smoothed: `heard`, decision by decision from the newest frames, and `batch`, from
each of the same seconds of sound at once. With GIVEN, `given`: the scores of its windows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kws_device import AudioFile, Spotter, model_file
from kws_device.engine import load_engine
from kws_device.front_end import log_mel
from kws_device.witness import Witness

Scores = dict[str, NDArray[np.float32]]


def by_head(answers: list[Scores], prefix: str) -> Scores:
    """Scores of all windows, shape (windows, labels), by prefixed head."""
    return {prefix + head: np.stack([answer[head] for answer in answers]) for head in answers[0]}


def main() -> None:
    """Write OUT."""
    model, sound, out, *given = sys.argv[1:]
    file = model_file.read(Path(model))
    engine, manifest = load_engine(file), file.manifest.without_verifier()
    witness = Witness(engine)
    spotter = Spotter(manifest, witness)
    windows, heard, batch = [], [], []
    for _ in spotter.decisions(AudioFile(sound)):
        windows.append(witness.window)
        heard.append(witness.answer)
        mels = log_mel(spotter.clip(), manifest.front_end)
        batch.append(engine.scores(manifest.normalisation.apply(mels)))
    found = by_head(heard, "heard ") | by_head(batch, "batch ")
    if given:
        with np.load(given[0], allow_pickle=False) as content:
            found |= by_head([engine.run(window) for window in content["windows"]], "given ")
    np.savez(out, windows=np.stack(windows), **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
