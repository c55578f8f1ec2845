"""Reads lists and tables of datasets; the content is not trusted."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from kws_device import InputError


def read_text(path: Path) -> str:
    """A list or table of a dataset. Raises InputError where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error}); unpack the dataset again") from error


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a dataset's table, each with a cell in all these columns.

    Raises:
        InputError: not UTF-8, not a table, a column missing, or a row that is too short.
    """
    try:
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        if missing := set(columns) - set(reader.fieldnames or ()):
            raise InputError(f"{path}: column {', '.join(sorted(missing))} missing; unpack the dataset again")
        rows = list(reader)
    except csv.Error as error:
        raise InputError(f"{path}: not a table ({error}); unpack the dataset again") from error
    for number, row in enumerate(rows, start=1):
        if any(row[column] is None for column in columns):
            raise InputError(f"{path}: row {number} lacks cells; unpack the dataset again")
    return rows


def file_of(folder: Path, *names: str, table: Path) -> Path:
    """The file that a table names. Raises InputError where it leads elsewhere, or is missing."""
    for name in names:
        # A table may come from a stranger: it names files of its dataset, and no way to any other.
        if name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise InputError(f"{table}: {name!r} is no name of a file of the dataset; unpack it again")
    path = folder.joinpath(*names)
    if not path.is_file():
        raise InputError(f"{path}: listed in {table} but missing; unpack the dataset again")
    return path
