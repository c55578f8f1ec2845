"""A journal of finished work: one line of JSON for each piece, so that a second run skips it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kws_device import InputError
from kws_device._support.schema import json_text


class Journal:
    """Results by key, in a file that survives any interruption."""

    def __init__(self, path: Path, about: str) -> None:
        """Open a journal, with what an interrupted run left in it.

        Args:
            path: of the file.
            about: what the results depend on beside their keys.

        Raises:
            InputError: it is about something else, or cannot be written.
        """
        self._found: dict[str, Any] = {}
        try:
            lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
            whole = [line for line in lines if line.endswith(b"\n")]  # the last one may be torn
            for line in whole[1:]:
                key, value = json.loads(line)
                self._found[key] = value
            if whole and json.loads(whole[0]) != about:
                raise InputError(f"{path.parent}: holds the beginning of another run; name another folder")
            self._file = path.open("r+b" if lines else "wb")
            self._file.truncate(sum(map(len, whole)))
            self._file.seek(0, 2)
            if not whole:
                self._append(about)
        except OSError as error:
            raise InputError(
                f"{path.parent}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        except ValueError as error:
            raise InputError(f"{path}: damaged ({error}); remove it") from error

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def __getitem__(self, key: str) -> Any:
        return self._found[key]

    def add(self, key: str, value: Any) -> None:
        """Keep a result; it is on its way to the disk when this returns."""
        self._append([key, value])
        self._found[key] = value

    def _append(self, line: Any) -> None:
        self._file.write(json_text(line).encode() + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
