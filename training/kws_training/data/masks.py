"""Times at which a keyword is really said in a recording; events there are not false accepts."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kws_device import InputError
from kws_device._support import atomic

TRANSCRIPTS = "*.trans.txt"
"""As in LibriSpeech: beside the audio, a line for each file: its stem, a space, the words."""
GRACE_S = 0.75
"""A decision comes up to a smoothing time and a step after its word."""
_COLUMNS = ("recording", "start_s", "end_s", "word")


@dataclass(frozen=True)
class Said:
    """A word that is said between two moments of a recording."""

    word: str
    start_s: float
    """From the beginning of the recording."""
    end_s: float


def covers(said: Iterable[Said], word: str, end_s: float) -> bool:
    """Whether an event of `word`, decided at `end_s`, may come from one of these words."""
    return any(s.word.lower() == word.lower() and s.start_s < end_s <= s.end_s + GRACE_S for s in said)


class Masks:
    """A table of what is said in which recording.

    A row holds for every recording whose path ends in the row's, part by part: `84-1.mp3` and
    `read/84-1.mp3` both mean `talk/read/84-1.mp3`.
    """

    def __init__(self, rows: Iterable[tuple[str, Said]] = ()) -> None:
        """`rows`: the end of a recording's path, with `/`, and what is said in it."""
        self._by_name: dict[str, list[tuple[tuple[str, ...], Said]]] = {}
        for recording, said in rows:
            parts = PurePosixPath(recording).parts
            self._by_name.setdefault(parts[-1], []).append((parts, said))

    @classmethod
    def read(cls, path: Path) -> Masks:
        """A table from a CSV with the columns recording, start_s, end_s and word; others are passed over.

        Raises:
            InputError: the file is missing or no such table, or a row makes no sense.
        """
        try:
            reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
            rows = list(reader)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: not a table that can be read ({error}); give a CSV file") from error
        if missing := set(_COLUMNS) - set(reader.fieldnames or ()):
            raise InputError(
                f"{path}: has no column {', '.join(sorted(missing))}; it needs {', '.join(_COLUMNS)}"
            )
        return cls(_row(path, number, row) for number, row in enumerate(rows, start=2))

    def __len__(self) -> int:
        """How many rows it has."""
        return sum(map(len, self._by_name.values()))

    def of(self, recording: Path) -> list[Said]:
        """What is said in a recording."""
        parts = recording.parts
        return [said for end, said in self._by_name.get(recording.name, ()) if parts[-len(end) :] == end]


def _row(path: Path, number: int, row: dict[str, str]) -> tuple[str, Said]:
    try:
        recording, word = row["recording"], row["word"]
        start_s, end_s = float(row["start_s"]), float(row["end_s"])
    except (TypeError, ValueError):
        recording, word, start_s, end_s = "", "", 0.0, 0.0
    if not recording or not word or not 0 <= start_s <= end_s < float("inf"):
        raise InputError(f"{path}: row {number} is no recording, start_s, end_s and word; correct it")
    return recording, Said(word, start_s, end_s)


def write_masks(path: Path, rows: Iterable[tuple[str, Said]]) -> None:
    """Write a table that `Masks.read` reads, whole or not at all. Raises InputError as `atomic`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([name, f"{said.start_s:.3f}", f"{said.end_s:.3f}", said.word] for name, said in rows)
    atomic.write_text(path, text.getvalue())


def transcripts(folder: Path) -> dict[str, str]:
    """What is said in each file below a folder that has a transcript, by the file's stem.

    Raises:
        InputError: a transcript that cannot be read.
    """
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


def keywords_in(text: str, keywords: Sequence[str]) -> list[str]:
    """The keywords that a text contains as whole words; a keyword may be several words, or joined by `_`."""
    words = f" {' '.join(words_of(text))} "
    return [keyword for keyword in keywords if f" {' '.join(words_of(keyword))} " in words]


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return re.findall(r"[\w']+", text.lower().replace("_", " "))
