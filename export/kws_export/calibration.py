"""Real windows that show the converter which numbers to expect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kws_device.errors import InputError
from kws_device.manifest import Manifest
from kws_training.data.corpus import Corpus
from kws_training.data.segments import SILENT_DBFS, from_db, power
from kws_training.evaluation.eval_sets import Item, clean_set, material, mel_set
from kws_training.evaluation.scoring import inputs, windows_of
from kws_training.recipes import AnyRecipe
from kws_training.schemes.kit.examples import Examples
from kws_training.schemes.study.recipe import StudyRecipe

_DRAWN = 512
_LOUD_AND_SOFT = 96
GAINS_DB = (20.0, 0.0)
"""By which windows are louder and softer, the best guess first: a wide range of levels is heard everywhere,
a narrow one leaves finer steps."""
# A stream of random numbers of its own, apart from those of the training epochs.
_STREAM = 1 << 31


def calibration_windows(
    corpus: Corpus, recipe: AnyRecipe, manifest: Manifest, gain_db: float = GAINS_DB[0]
) -> NDArray[np.float32]:
    """Training windows in the recipe's proportions, some `gain_db` louder and softer, and silence.

    Returns:
        the network's input, shape (n, frames, mels), normalised; seeded by the recipe.

    Raises:
        InputError: the recordings hold nothing but silence.
    """
    if not any(
        power(recording.samples) >= from_db(SILENT_DBFS) for recording in corpus.speech + corpus.scenes
    ):
        raise InputError("the training split holds nothing but silence; look at it with kws-data check")
    rng = np.random.default_rng([recipe.seed, _STREAM])
    length = manifest.front_end.clip_samples
    if isinstance(recipe, StudyRecipe):
        items = _study_items(corpus, recipe, manifest, rng)
    else:
        examples = Examples(corpus, recipe)
        plan = np.resize(examples.plan(rng), _DRAWN + 2 * _LOUD_AND_SOFT)
        items = [Item("", "", "", sound) for sound in examples.draw(plan, rng)[0]]
    for n, by_db in ((1, gain_db), (2, -gain_db)):
        for i in range(len(items) - n * _LOUD_AND_SOFT, len(items) - (n - 1) * _LOUD_AND_SOFT):
            items[i] = replace(items[i], samples=items[i].samples * np.sqrt(from_db(by_db)))
    items.append(Item("", "", "", np.zeros(length, dtype=np.float32)))
    return inputs(items, manifest)


def _study_items(
    corpus: Corpus, recipe: StudyRecipe, manifest: Manifest, rng: np.random.Generator
) -> list[Item]:
    """Words and scenes alone, and mixed at the ratio of evaluation where there are both."""
    length = manifest.front_end.clip_samples
    data = material(corpus, length)
    sets = [clean_set(data, length)]
    if data.words and data.scenes:
        sets.append(mel_set(data, recipe.evaluation.ratio, length, recipe.seed))
    items = [item for set_ in sets for item in windows_of(set_, manifest.labels).items]
    return [items[i] for i in np.resize(rng.permutation(len(items)), _DRAWN + 2 * _LOUD_AND_SOFT)]
