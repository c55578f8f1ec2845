"""A second opinion: a transcriber decides whether a keyword is really said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError

from ..data.masks import Said, keywords_in, words_of

SAMPLE_RATE_HZ = 16_000
"""Of the sound that a transcriber hears."""
_MODEL_FILE = "model.bin"
"""Of a folder of weights as faster-whisper reads them."""


class Opinion(Protocol):
    """Whatever turns sound into words."""

    def words(self, samples: NDArray[np.float32]) -> list[Said]:
        """What is said in a stretch, mono at SAMPLE_RATE_HZ; times from its beginning."""
        ...


class Whisper(Opinion):
    """OpenAI's Whisper by faster-whisper, with weights that are there already: nothing is downloaded."""

    def __init__(self, weights: Path) -> None:
        """Load the weights from a folder.

        Raises:
            InputError: the package or the weights are missing, or cannot be loaded.
        """
        if not (weights / _MODEL_FILE).is_file():
            raise InputError(
                f"{weights}: no {_MODEL_FILE} of faster-whisper in it; name a folder that has one"
            )
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise InputError(
                "--second-opinion needs faster-whisper; run: pip install 'kws-training[second-opinion]'"
            ) from error
        try:
            # One thread: the answers must not depend on how sums are divided.
            self._model = WhisperModel(
                str(weights), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise InputError(f"{weights}: cannot be loaded ({error}); copy the weights again") from error

    def words(self, samples: NDArray[np.float32]) -> list[Said]:
        """See Opinion."""
        segments, _ = self._model.transcribe(
            samples, language="en", beam_size=1, word_timestamps=True, condition_on_previous_text=False
        )
        return [Said(w.word, max(0.0, w.start), w.end) for s in segments for w in s.words or ()]


def said_in(words: Sequence[Said], keyword: str) -> list[Said]:
    """Where a keyword, of one word or several, stands among the words of a transcript."""
    wanted = len(words_of(keyword))
    runs = [words[i : i + wanted] for i in range(len(words) - wanted + 1)]
    return [
        Said(keyword, run[0].start_s, run[-1].end_s)
        for run in runs
        if wanted and keywords_in(" ".join(word.word for word in run), [keyword])
    ]
