"""Teaches a model a word from a few takes, without training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ._support.errors import InputError
from .front_end import log_mel
from .model.engine import Engine, load_embedding
from .model.manifest import Manifest
from .model.model_file import ModelFile
from .model.taught_words import INT8, TaughtWord
from .spotter import Spotter
from .takes.find import MARGIN_S, Found, find_words
from .taught_words import embedding_of, likeness, unit

FEWEST = 3
"""Takes in which the word must be found."""
RATE_PER_HOUR = 0.5
"""False accepts in talk that the threshold is set for."""
THRESHOLD = 0.5
"""The score that is as rare. At 0.73 there are 2.7 times fewer false accepts, at 0.27 so many more."""

_BEHIND_S = (0.15, 0.2, 0.25, 0.3, 0.35)
"""From the end of the word to the end of the windows that are looked at."""
_TAIL = 60
"""The surest looks at talk, from which the rate at other scores is estimated."""
_LEAST_AGREEMENT = 0.4
"""Cosine between a take and the others; takes of one word have 0.6 to 0.9."""
_LEAST_HEARD = 0.8
"""Of the takes must be heard by what the others teach."""


@dataclass(frozen=True)
class Lesson:
    """What teaching a word came to."""

    manifest: Manifest
    """With the word."""
    word: TaughtWord
    heard: int
    """Takes that are heard by what the others teach."""
    left_out: tuple[int, ...]
    """Takes, counted from 0, in which the word was not found."""


def teach(
    file: ModelFile, word: str, takes: Sequence[NDArray[np.float32]], engine: str | None = None
) -> Lesson:
    """Add a word to a model's manifest; a taught word of the same name is replaced.

    The word is the embeddings of its takes (`likeness`). The bank of talk tells how rare each likeness is,
    with an exponential distribution fitted to the surest looks. The score follows from that: it is
    THRESHOLD where talk gives RATE_PER_HOUR false accepts, and each e times fewer raise its log-odds by one.

    Args:
        file: the model.
        word: what the event is called.
        takes: of the word at the model's rate, shape (n,) each, full scale is 1.0.
        engine: the package that is to run the model; None: the first that is installed.

    Returns:
        the manifest with the word, and what was found on the way.

    Raises:
        InputError: no embedding in the model, a name that does not fit, a word that is not found in enough
            takes, takes of different words, or a word that cannot be told from talk or from another word.
    """
    manifest = file.manifest
    network = load_embedding(file, engine)
    if manifest.embedding is None or file.embedding is None or network is None:
        raise without_embedding(file)
    if word in manifest.trained_keywords:
        raise InputError(f"{word}: the model hears it already")
    found = find_words(takes, manifest.front_end.sample_rate_hz)
    left_out = tuple(i for i, each in enumerate(found) if each is None)
    clear = [(take, each) for take, each in zip(takes, found, strict=True) if each is not None]
    if len(clear) < FEWEST:
        raise InputError(
            f"{word}: found in {len(clear)} of {len(takes)} takes, and {FEWEST} are needed; "
            "say it louder, with a pause before and after it"
        )
    looks = np.stack([_looks(manifest, network, take, each) for take, each in clear])
    _check_agreement(word, looks, [i for i in range(len(takes)) if i not in left_out])
    bank = np.frombuffer(file.embedding.bank, np.int8).reshape(-1, manifest.embedding.size)
    talk = unit(bank)
    others = [taught for taught in manifest.taught if taught.word != word]
    taught = _taught(word, looks, talk, manifest.embedding.bank_hours)
    heard = sum(
        _heard(_taught(word, np.delete(looks, i, 0), talk, manifest.embedding.bank_hours), looks[i])
        for i in range(len(looks))
    )
    if heard < _LEAST_HEARD * len(looks):
        raise InputError(
            f"{word}: cannot be told from other speech (heard in {heard} of {len(looks)} takes); "
            "choose a longer word, or one with other sounds"
        )
    for other in others:
        if sum(_heard(other, each) for each in looks) * 2 > len(looks):
            raise InputError(
                f"{word}: sounds like {other.word}, which is taught already; choose another word"
            )
    _check_keywords(file, word, [take for take, _ in clear], engine)
    thresholds = {**manifest.decoder.thresholds, word: THRESHOLD}
    try:
        return Lesson(manifest.with_taught((*others, taught), thresholds), taught, heard, left_out)
    except ValueError as error:
        raise InputError(f"{word}: cannot be taught ({error}); choose another word") from error


def without_embedding(file: ModelFile) -> InputError:
    """The error for a model that cannot be taught."""
    return InputError(f"{file.path}: has no embedding, so no word can be taught; use a model that has one")


def forget(manifest: Manifest, word: str) -> Manifest:
    """The manifest without a taught word.

    Raises:
        InputError: no such word, or one that commands are armed by.
    """
    words = [taught.word for taught in manifest.taught]
    if word not in words:
        raise InputError(f"{word}: was not taught; those that were: {', '.join(words) or 'none'}")
    arming = manifest.arming
    if arming is not None and word in (arming.armed_by, *arming.commands):
        raise InputError(f"{word}: the file's rules of arming need it; remove them first (kws-export arming)")
    thresholds = {name: p for name, p in manifest.decoder.thresholds.items() if name != word}
    return manifest.with_taught(tuple(t for t in manifest.taught if t.word != word), thresholds)


def _looks(
    manifest: Manifest, engine: Engine, take: NDArray[np.float32], found: Found
) -> NDArray[np.float64]:
    """Embeddings of windows that end a little behind the word, shape (windows, size)."""
    front_end, config = manifest.front_end, manifest.embedding
    if config is None:
        raise ValueError("a manifest without an embedding")
    rate = front_end.sample_rate_hz
    length = round(config.clip_ms / 1000 * rate)
    padded = np.concatenate([np.zeros(length, np.float32), take, np.zeros(length, np.float32)])
    last = found.end - round(MARGIN_S * rate)
    ends = [length + last + round(behind * rate) for behind in _BEHIND_S]
    windows = np.stack([padded[end - length : end] for end in ends])
    mels = log_mel(windows, replace(front_end, clip_ms=config.clip_ms))
    return np.stack([embedding_of(engine, window) for window in manifest.normalisation.apply(mels)])


def _check_agreement(word: str, looks: NDArray[np.float64], numbers: list[int]) -> None:
    """Raises InputError where a take does not sound like the others."""
    means = unit(looks.mean(axis=1))
    agreement = [float(means[i] @ unit(np.delete(means, i, 0).mean(axis=0))) for i in range(len(means))]
    unlike = [
        str(number + 1) for number, like in zip(numbers, agreement, strict=True) if like < _LEAST_AGREEMENT
    ]
    if unlike:
        raise InputError(
            f"{word}: take {', '.join(unlike)} of {len(numbers)} does not sound like the others; "
            "say the same word in every take"
        )


def _taught(word: str, looks: NDArray[np.float64], talk: NDArray[np.float64], hours: float) -> TaughtWord:
    """The word that takes teach, its score calibrated on talk.

    Args:
        word: its name.
        looks: shape (takes, windows, size).
        talk: the bank's unit vectors, shape (n, size).
        hours: that the bank stands for.
    """
    takes = np.rint(unit(looks.mean(axis=1)) * INT8)
    alike = np.sort(likeness(unit(takes), talk))[::-1][: _TAIL + 1]
    *surest, last = alike.tolist()
    count = max(1, len(surest))
    # Of an exponential distribution: the mean excess over the last is its scale.
    per_e = max(sum(each - last for each in surest) / count, 1e-3)
    rare = last + per_e * math.log(count / (RATE_PER_HOUR * hours))
    scale = 1 / per_e
    stored = tuple(tuple(int(value) for value in take) for take in takes)
    return TaughtWord(word, stored, scale, -scale * rare)


def _heard(word: TaughtWord, looks: NDArray[np.float64]) -> bool:
    """Whether a take, shape (windows, size), is heard."""
    return bool(word.score(float(likeness(unit(np.array(word.takes)), looks).max())) > THRESHOLD)


def _check_keywords(
    file: ModelFile, word: str, takes: Sequence[NDArray[np.float32]], engine: str | None
) -> None:
    """Raises InputError where the model takes most of the takes for one of its keywords."""
    spotter = Spotter.of(replace(file, manifest=file.manifest.with_arming(None)), engine=engine)
    pause = np.zeros(spotter.manifest.front_end.sample_rate_hz, np.float32)
    counts: dict[str, int] = {}
    for take in takes:
        spotter.reset()
        events = [d.event for d in spotter.feed(np.concatenate([take, pause])) if d.event is not None]
        for keyword in {event.keyword for event in events} & set(file.manifest.trained_keywords):
            counts[keyword] = counts.get(keyword, 0) + 1
    for keyword, count in counts.items():
        if 2 * count > len(takes):
            raise InputError(f"{word}: the model takes it for {keyword}; choose another word")
