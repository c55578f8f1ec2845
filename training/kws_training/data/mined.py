"""A folder of mined sound: stretches where a model nearly fired although its word was not said."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import InputError, audio_files
from kws_device._support import atomic

TABLE = "mined.csv"
"""Written last: a folder that has it is complete."""
SUMMARY = "mined.json"
STRETCHES = "stretches"

BEFORE_S = 3.0
"""Sound that a stretch has before its decision: 2.4 s for a second network, and some to move it."""
BEHIND_S = 1.5
"""The same behind it."""


@dataclass(frozen=True)
class Mined:
    """A row of the table."""

    recording: str
    """The path below the folder that was listened to, with that folder's name, with `/`."""
    end_s: float
    """When the model would have fired with its thresholds at `near`: the end of that decision's window."""
    word: str
    score: float
    """The highest smoothed score of the word before it falls to `near` again."""
    peak_s: float
    """The decision of that score."""
    split: str
    """train, validation or test, by `background_splits`."""
    file: str
    """Of the stretch, below the folder, with `/`."""
    at_s: float
    """Where `end_s` lies in that file."""


@dataclass(frozen=True)
class Stretch:
    """A candidate with the sound around it."""

    samples: NDArray[np.float32]
    """Mono, shape (n,), at the model's rate."""
    at: int
    """Samples up to the candidate's decision; more than there are where a recording ends before it."""
    word: str
    score: float
    recording: str

    def window(self, length: int, end: int = 0) -> NDArray[np.float32]:
        """The `length` samples that end `end` samples behind the decision; zeros where there is no sound."""
        window = np.zeros(length, dtype=np.float32)
        stop = self.at + end
        start = stop - length
        known = self.samples[max(start, 0) : max(stop, 0)]
        first = max(-start, 0)
        window[first : first + len(known)] = known
        return window


def write_table(folder: Path, rows: Sequence[Mined]) -> None:
    """Write the table, which marks the folder as complete. Raises InputError as `atomic`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(Mined))
    writer.writerows(astuple(row) for row in rows)
    atomic.write_text(folder / TABLE, text.getvalue())


def read_table(folder: Path) -> list[Mined]:
    """The rows of a folder's table.

    Raises:
        InputError: no folder, no table, or a damaged one.
    """
    path = folder / TABLE
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name one that kws-data mine wrote")
    if not path.is_file():
        raise InputError(f"{folder}: has no {TABLE}; let kws-data mine finish it")
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
        rows = [_row(row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged ({error}); mine again") from error
    if not rows:
        raise InputError(f"{path}: has no rows; mine again")
    return rows


def _row(row: dict[str, str]) -> Mined:
    numbers = {name: float(row[name]) for name in ("end_s", "score", "peak_s", "at_s")}
    words = {name: row[name] for name in ("recording", "word", "split", "file")}
    if not all(words.values()) or not all(math.isfinite(n) and n >= 0 for n in numbers.values()):
        raise ValueError("a row lacks values")
    if Path(words["file"]).is_absolute() or ".." in Path(words["file"]).parts:
        raise ValueError(f"{words['file']} leads out of the folder")
    return Mined(**words, **numbers)  # type: ignore[arg-type]


def read_summary(folder: Path) -> dict[str, Any]:
    """What a folder was mined with: model, hash, sample_rate_hz, keywords, near, hours and so on.

    Raises:
        InputError: missing or damaged.
    """
    path = folder / SUMMARY
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(summary, dict) or not {"sample_rate_hz", "keywords"} <= summary.keys():
            raise ValueError("it is no summary")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: missing or damaged ({error}); mine again") from error
    return summary


def read_mined(
    folders: Sequence[Path],
    keywords: Sequence[str],
    sample_rate_hz: int,
    before_s: float = BEFORE_S,
    behind_s: float = BEHIND_S,
) -> list[Stretch]:
    """The stretches of several folders of mined sound, with a progress bar.

    Args:
        folders: of `kws-data mine`.
        keywords: of the model that is to be trained; the mining model must have had the same.
        sample_rate_hz: of the model that is to be trained.
        before_s: how much of each stretch is kept before its decision.
        behind_s: the same behind it.

    Raises:
        InputError: a folder that is missing, unfinished or damaged, of another rate, or of a model with
            other words.
    """
    found: list[Stretch] = []
    for folder in folders:
        rows = read_table(folder)
        check_fits(folder, keywords, sample_rate_hz)

        def stretch(row: Mined, folder: Path = folder) -> Stretch:
            samples = audio_files.read(folder / row.file, sample_rate_hz)
            at = round(row.at_s * sample_rate_hz)
            first = max(0, at - round(before_s * sample_rate_hz))
            last = at + round(behind_s * sample_rate_hz)
            return Stretch(samples[first:last].copy(), at - first, row.word, row.score, row.recording)

        with ThreadPoolExecutor() as pool:
            found += tqdm(pool.map(stretch, rows), "mined sound", len(rows), unit="stretch", leave=False)
    return found


def check_fits(folder: Path, keywords: Sequence[str], sample_rate_hz: int) -> None:
    """Raises InputError where a folder was mined at another rate, or by a model with other words."""
    summary = read_summary(folder)
    if summary["sample_rate_hz"] != sample_rate_hz:
        raise InputError(
            f"{folder}: mined at {summary['sample_rate_hz']} Hz, not at {sample_rate_hz} Hz; mine it again "
            "with a model of that rate"
        )
    if set(summary["keywords"]) != set(keywords):
        raise InputError(
            f"{folder}: mined by a model that hears {', '.join(summary['keywords'])}, "
            f"not {', '.join(keywords)}; mine with a model of these words"
        )
