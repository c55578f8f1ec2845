"""The models that a service offers: the one of the command line, and those of a folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wyoming.info import Attribution, Info, WakeModel, WakeProgram

from ..._support.errors import InputError
from ...model import model_file
from ...model.model_file import ModelFile

_SUFFIXES = (".tflite", ".onnx")
_MOST_FILES = 64
_LONGEST_LICENCES = 500


@dataclass(frozen=True)
class Word:
    """A word that clients may ask for."""

    name: str
    """Unique among all models; the word itself where only one model has it."""
    keyword: str
    """As its model calls it."""
    file: ModelFile


class Models:
    """All words by their names. A model that cannot be read is told once and left out."""

    def __init__(
        self,
        first: ModelFile,
        folder: Path | None,
        load: Callable[[Path], ModelFile],
        note: Callable[[str], None],
        version: str,
    ) -> None:
        """Read the folder for the first time.

        Args:
            first: is always offered, before all others.
            folder: of further model files; None: there are no others.
            load: reads a model file and tries it.
            note: is told of what cannot be read.
            version: of this package, for clients.

        Raises:
            InputError: the folder cannot be read.
        """
        self._first = first
        self._folder = folder
        self._load = load
        self._note = note
        self._version = version
        self._seen: dict[Path, tuple[int, int]] = {}
        self._files: dict[Path, ModelFile] = {}
        self._lock = threading.Lock()
        self.words: dict[str, Word] = {}
        """By name; replaced as a whole when a file comes, changes or goes."""
        if folder is not None and not folder.is_dir():
            raise InputError(f"{folder}: no folder of model files; make it, or leave out --wyoming-models")
        self.refresh()

    def refresh(self) -> None:
        """Read what came or changed in the folder, and forget what went."""
        with self._lock:
            found = self._found()
            for path in [path for path in self._seen if path not in found]:
                del self._seen[path]
                self._files.pop(path, None)
            for path, state in found.items():
                if self._seen.get(path) != state:
                    self._seen[path] = state
                    self._files.pop(path, None)
                    try:
                        self._files[path] = self._load(path)
                    except InputError as error:
                        self._note(f"left out: {error}")
            self.words = _named([self._first, *(self._files[path] for path in sorted(self._files))])

    def _found(self) -> dict[Path, tuple[int, int]]:
        """The model files of the folder with what tells whether they changed."""
        if self._folder is None:
            return {}
        try:
            paths = sorted(path for path in self._folder.iterdir() if path.suffix in _SUFFIXES)
            states = {path: path.stat() for path in paths[:_MOST_FILES] if path.is_file()}
        except OSError as error:
            self._note(f"{self._folder}: cannot be read ({error.strerror}); its last models stay")
            return dict(self._seen)
        return {path: (state.st_mtime_ns, state.st_size) for path, state in states.items()}

    def info(self) -> Info:
        """What `describe` is answered with: a program for each model, and each of its words as a model."""
        words: dict[Path, list[Word]] = {}
        for word in self.words.values():
            words.setdefault(word.file.path, []).append(word)
        return Info(wake=[_program(found, self._version) for found in words.values()])


def _named(files: Sequence[ModelFile]) -> dict[str, Word]:
    named: dict[str, Word] = {}
    for file in files:
        for keyword in file.manifest.keywords:
            name = keyword if keyword not in named else f"{keyword}@{file.path.stem}"
            named.setdefault(name, Word(name, keyword, file))
    return named


def _program(words: Sequence[Word], version: str) -> WakeProgram:
    file = words[0].file
    manifest = file.manifest
    shipped = model_file.is_shipped(file.path)
    made_by = Attribution("kws-kit contributors" if shipped else "made with kws-kit", "")
    licences = "; ".join(dict.fromkeys(f"{s.name}: {s.licence}" for s in manifest.sources))
    languages = ["en"] if shipped else []
    return WakeProgram(
        name=f"kws-kit {manifest.name}",
        attribution=made_by,
        installed=True,
        description=f"Trained on: {licences}"[:_LONGEST_LICENCES],
        version=version,
        models=[
            WakeModel(word.name, made_by, True, word.keyword, manifest.hash[:12], languages, word.keyword)
            for word in words
        ],
    )
