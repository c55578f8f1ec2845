"""The recordings for mining: names, splits and transcripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kws_device import InputError

from ..data.corpus import paths_below
from ..data.masks import keywords_in, transcripts
from ..data.splits import background_splits


@dataclass(frozen=True)
class Recording:
    """A sound file to listen to."""

    path: Path
    name: str
    """As the table has it."""
    split: str
    said: tuple[str, ...]
    """Keywords that its transcript has."""

    @property
    def key(self) -> str:
        """What its results depend on beside the model."""
        state = self.path.stat()
        return f"{self.name} {state.st_size} {state.st_mtime_ns}"


def recordings_of(folders: Sequence[Path], split: str, keywords: Sequence[str]) -> list[Recording]:
    """The recordings of a split of several folders, in the order of folders and paths.

    Args:
        folders: of sound, each split for itself by `background_splits`.
        split: train, validation, test or all.
        keywords: of the model.

    Raises:
        InputError: no such folder, no audio in it, nothing in the split, or one name twice.
    """
    found: list[Recording] = []
    for folder in folders:
        paths = paths_below(folder)
        splits, said = background_splits(paths, folder), transcripts(folder)
        found += [
            Recording(
                path,
                f"{folder.resolve().name}/{path.relative_to(folder).as_posix()}",
                splits[path],
                tuple(keywords_in(said.get(path.stem, ""), keywords)),
            )
            for path in paths
            if split in ("all", splits[path])
        ]
    if not found:
        raise InputError(
            f"{folders[0]}: nothing of it is in the {split} split; give more sound, or --split all"
        )
    name, count = Counter(recording.name for recording in found).most_common(1)[0]
    if count > 1:
        raise InputError(f"{name}: two of the folders have it; name each folder once, or rename one")
    return found
