"""Continuous speech and noise to listen to for long, and what is said in them according to transcripts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kws_device.errors import InputError
from kws_training.data.corpus import background_paths

SPEECH, NOISE = "speech", "noise"

TRANSCRIPTS = "*.trans.txt"
"""As in LibriSpeech: beside the audio, a line for each file: its stem, a space, the words."""


@dataclass(frozen=True)
class Passage:
    """A file of continuous speech or of noise."""

    path: Path
    kind: str
    """SPEECH or NOISE."""
    said: frozenset[str] = frozenset()
    """The keywords that its transcript contains."""


@dataclass(frozen=True)
class Background:
    """What words are placed in."""

    passages: tuple[Passage, ...]
    """Speech, then noise; in this order they are heard."""
    transcribed: bool
    """Whether the speech has transcripts; if not, nothing in it can be masked."""
    left_out: tuple[Path, ...]
    """Speech without a transcript where others have one: nobody knows what is said there."""


def background(negatives: Path, noise: Path | None, split: str, keywords: Sequence[str]) -> Background:
    """The recordings of a split, by the rule that training goes by (`background_paths`).

    Args:
        negatives: continuous speech, with or without transcripts.
        noise: any sound files below it; None: no noise.
        split: validation, test or all.
        keywords: of the model.

    Raises:
        InputError: no such folder, no audio of the split in it, or a transcript that cannot be read.
    """
    paths = background_paths(negatives, split)
    transcripts = _transcripts(negatives)
    speech = [
        Passage(path, SPEECH, _keywords_in(transcripts.get(path.stem, ""), keywords))
        for path in paths
        if not transcripts or path.stem in transcripts
    ]
    if not speech:
        raise InputError(f"{negatives}: its transcripts name none of its sound files; copy it again")
    left_out = tuple(path for path in paths if transcripts and path.stem not in transcripts)
    heard = (*speech, *(Passage(path, NOISE) for path in background_paths(noise, split)))
    return Background(heard, bool(transcripts), left_out)


def _transcripts(folder: Path) -> dict[str, str]:
    """The text of each file that has one, by the file's stem."""
    found = {}
    for path in sorted(folder.rglob(TRANSCRIPTS)):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not a transcript that can be read ({error}); copy it again") from error
        for line in lines:
            stem, _, text = line.strip().partition(" ")
            if stem:
                found[stem] = text
    return found


def _keywords_in(text: str, keywords: Sequence[str]) -> frozenset[str]:
    words = set(re.findall(r"[\w']+", text.lower()))
    return frozenset(keyword for keyword in keywords if keyword.lower() in words)
