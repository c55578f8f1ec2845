"""Taught words at run time: compares what was said before a pause with each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .front_end import silent_frame
from .model.engine import Engine
from .model.manifest import Manifest
from .model.taught_words import EMBEDDING_OUTPUT
from .ring_buffer import Ring
from .word_end import WordEnd


class TaughtWords:
    """Looks at what was said when a pause begins, and scores each taught word."""

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        """Prepare for the words of a model.

        Args:
            manifest: of a model with an embedding.
            engine: of the embedding (`load_embedding`).

        Raises:
            ValueError: the manifest has no embedding.
        """
        if manifest.embedding is None:
            raise ValueError(f"{manifest.name} has no embedding")
        config, front_end = manifest.embedding, manifest.front_end
        self._words = manifest.taught
        self._takes = [unit(np.array(word.takes)) for word in self._words]
        self._engine = engine
        self._end = WordEnd(manifest, config.pause_db, config.looks)
        fill = silent_frame(front_end, manifest.normalisation)
        self._frames = Ring(front_end.frames_in(config.clip_ms), (front_end.mels,), fill=fill)

    def reset(self) -> None:
        """Forget all sound: afterwards it equals a new one."""
        self._end.reset()
        self._frames.reset()

    def hear(self, frames: NDArray[np.float32]) -> None:
        """Take the newest normalised frames, shape (n, mels)."""
        self._frames.write(frames)

    def look(self, scores: NDArray[np.float32] | None, level_dbfs: float) -> dict[str, float]:
        """Look whether one of the words was just said.

        Args:
            scores: of the first network's keyword head for this decision, shape (labels,); None: it has none.
            level_dbfs: of the sound since the decision before.

        Returns:
            the score, 0 to 1, of every taught word, if this decision looks; else nothing.
        """
        if not self._end.take(scores, level_dbfs):
            return {}
        heard = embedding_of(self._engine, self._frames.read())[None]
        return {
            word.word: word.score(float(likeness(takes, heard)[0]))
            for word, takes in zip(self._words, self._takes, strict=True)
        }


def embedding_of(engine: Engine, window: NDArray[np.float32]) -> NDArray[np.float64]:
    """The embedding of one normalised window, shape (frames, mels): a unit vector, shape (size,)."""
    return unit(engine.scores(window)[EMBEDDING_OUTPUT])


def likeness(takes: NDArray[np.float64], embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
    """How alike embeddings are to the takes of a word, from -1 to 1: the mean of two cosines.

    One is that with the mean of the takes, the other that with the nearest take. The mean alone hears fewer
    words of other speakers (docs/explanation/experiments.md, Taught words).

    Args:
        takes: unit vectors, shape (takes, size).
        embeddings: unit vectors, shape (n, size).

    Returns:
        shape (n,).
    """
    nearest = (embeddings @ takes.T).max(axis=1)
    alike: NDArray[np.float64] = (embeddings @ unit(takes.mean(axis=0)) + nearest) / 2
    return alike


def unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Vectors, shape (..., size), with length 1; a vector of zeros stays as it is."""
    real = np.asarray(vectors, dtype=np.float64)
    units: NDArray[np.float64] = real / np.maximum(np.linalg.norm(real, axis=-1, keepdims=True), 1e-12)
    return units
