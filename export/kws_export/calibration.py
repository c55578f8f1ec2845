"""Representative windows for the int8 conversion."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError
from kws_training.data.corpus import Corpus
from kws_training.data.segments import SILENT_DBFS, from_db, power
from kws_training.evaluation.eval_sets import Item
from kws_training.evaluation.scheme import TrainedRun
from kws_training.evaluation.scoring import inputs

_DRAWN = 512
_LOUD_AND_SOFT = 96
GAINS_DB = (20.0, 0.0)
"""By which windows are louder and softer, the best guess first: a wide range of levels is heard everywhere,
a narrow one leaves finer steps."""
# A stream of random numbers of its own, apart from those of the training epochs.
_STREAM = 1 << 31


def calibration_windows(run: TrainedRun, corpus: Corpus, gain_db: float = GAINS_DB[0]) -> NDArray[np.float32]:
    """Training windows in the recipe's proportions, some `gain_db` louder and softer, and silence.

    Args:
        run: whose scheme draws the windows.
        corpus: of the training split.
        gain_db: by which some are louder, and as many softer.

    Returns:
        the network's input, shape (n, frames, mels), normalised; seeded by the recipe.

    Raises:
        InputError: the recordings hold nothing but silence.
    """
    if not any(
        power(recording.samples) >= from_db(SILENT_DBFS) for recording in corpus.speech + corpus.scenes
    ):
        raise InputError("the training split is silent; look at it with kws-data check")
    rng = np.random.default_rng([run.recipe.seed, _STREAM])
    length = run.manifest.front_end.clip_samples
    count = _DRAWN + 2 * _LOUD_AND_SOFT
    items = run.scheme.training_windows(run.recipe, corpus, run.manifest, count, rng)
    for n, by_db in ((1, gain_db), (2, -gain_db)):
        for i in range(len(items) - n * _LOUD_AND_SOFT, len(items) - (n - 1) * _LOUD_AND_SOFT):
            items[i] = replace(items[i], samples=items[i].samples * np.sqrt(from_db(by_db)))
    items.append(Item("", "", "", np.zeros(length, dtype=np.float32)))
    return inputs(items, run.manifest)
