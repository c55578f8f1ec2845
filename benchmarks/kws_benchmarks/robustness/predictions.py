"""Writes predictions.csv: every answer of every set, as it comes in."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from kws_device._support import atomic
from kws_training.data.csv_cells import guarded, unguarded
from kws_training.evaluation.scoring import Judgement

PREDICTIONS = "predictions.csv"
COLUMNS = ("set", "clip", "speaker", "head", "label", "predicted", "score")


class Predictions:
    """Collects the answers of each set in a file of its own, since they come in part by part."""

    def __init__(self, parts: Mapping[tuple[str, str], IO[str]]) -> None:
        self._parts = parts

    def add(self, condition: str, judgement: Judgement) -> None:
        """Write down the answers to some of the windows of a set."""
        rows = (
            [
                *map(guarded, (condition, item.name, item.source, judgement.head, item.label, predicted)),
                f"{score:.4f}",
            ]
            for item, predicted, score in zip(
                judgement.items, judgement.predicted, judgement.score, strict=True
            )
        )
        csv.writer(self._parts[condition, judgement.head], lineterminator="\n").writerows(rows)


@contextmanager
def predictions(out: Path, conditions: Sequence[str], heads: Sequence[str]) -> Iterator[Predictions]:
    """Collects what becomes `out`/predictions.csv when the block ends well.

    Args:
        out: the report's folder.
        conditions: names of the sets, in the order of the file.
        heads: of the model, in the order within a set.
    """
    with ExitStack() as stack:
        parts = {
            (condition, head): stack.enter_context(TemporaryFile("w+", encoding="utf-8", newline=""))
            for condition in conditions
            for head in heads
        }
        yield Predictions(parts)
        with (
            atomic.replacing(out / PREDICTIONS) as path,
            path.open("w", encoding="utf-8", newline="") as file,
        ):
            file.write(",".join(COLUMNS) + "\n")
            for part in parts.values():
                part.seek(0)
                shutil.copyfileobj(part, file)


def read(folder: Path) -> Iterator[dict[str, str]]:
    """The rows of a report's predictions.csv.

    Raises:
        ValueError: not UTF-8, not a table, or a row with too few or too many cells.
        OSError: it cannot be read.
    """
    with (folder / PREDICTIONS).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        try:
            for number, row in enumerate(reader, start=1):
                if None in row or None in row.values():
                    raise ValueError(f"row {number} has not as many cells as there are columns")
                yield {column: unguarded(cell) for column, cell in row.items()}
        except csv.Error as error:
            raise ValueError(str(error)) from error
