"""Where takes of a word lie, and what their files are called."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from kws_device import InputError
from kws_device._support import atomic
from kws_device.takes.find import Found

from .layouts import BACKGROUND, audio_below

SAMPLE_RATE_HZ = 16_000
_AROUND_S = 0.25
"""Sound that is kept before and after the word, for those who look for it again."""
_FIT = re.compile(r"[^\W_][\w -]{0,39}", re.UNICODE)
_SPEAKER = re.compile(r"[^\W_](?:[^\W_]|-){0,39}", re.UNICODE)
_NUMBER = re.compile(r"(?:_|^take)(\d+)$")


class TakeFolder:
    """A folder with a folder of takes for each word: DIR/WORD/SPEAKER_001.flac.

    Without a speaker the names are take001.flac, so each take counts as a speaker of its own.
    """

    def __init__(self, folder: Path, speaker: str | None) -> None:
        """Take a folder, which need not be there yet.

        Args:
            folder: of the words' folders.
            speaker: who says the words; None: one person alone.

        Raises:
            InputError: a name that does not fit a file's name.
        """
        if speaker is not None and not _SPEAKER.fullmatch(speaker):
            raise InputError(f"--speaker {speaker}: use letters, digits and -, at most 40")
        self.folder = folder
        self._speaker = speaker

    def takes(self, word: str) -> list[Path]:
        """The takes of a word by this speaker, sorted."""
        return [path for path in audio_below(self.folder / word) if self._is_ours(path)]

    def add(self, word: str, samples: NDArray[np.float32], found: Found) -> Path:
        """Write the word of a take, with some sound around it, as the speaker's next file.

        Args:
            word: that is said.
            samples: of the take at SAMPLE_RATE_HZ, shape (n,).
            found: where the word is.

        Raises:
            InputError: the folder cannot be written.
        """
        around = round(_AROUND_S * SAMPLE_RATE_HZ)
        sound = samples[max(0, found.start - around) : found.end + around]
        numbers = [int(match[1]) for path in self.takes(word) if (match := _NUMBER.search(path.stem))]
        name = f"{self._prefix}{max(numbers, default=0) + 1:03d}.flac"
        return _write(self.folder / word / name, sound)

    def add_background(self, samples: NDArray[np.float32]) -> Path:
        """Write the noise of the room, shape (n,), as background of these words."""
        number = 1
        while (path := self.folder / BACKGROUND / f"room_{number:03d}.flac").exists():
            number += 1
        return _write(path, samples)

    @property
    def _prefix(self) -> str:
        return "take" if self._speaker is None else f"{self._speaker}_"

    def _is_ours(self, path: Path) -> bool:
        return self._speaker is None or path.stem.startswith(self._prefix)


def check_word(word: str) -> None:
    """Raises InputError for a word that does not fit a folder's name."""
    if not _FIT.fullmatch(word):
        raise InputError(f"{word!r}: no word for a folder's name; use letters, digits, _ and -, at most 40")


def _write(path: Path, samples: NDArray[np.float32]) -> Path:
    with atomic.replacing(path, mode=0o600) as temporary:
        soundfile.write(temporary, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
    return path
