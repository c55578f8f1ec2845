"""The windows of a split, read when they are needed, so that memory stays bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, overload

import numpy as np
from tqdm import tqdm

from kws_device import InputError, audio_files
from kws_device.model.manifest import Manifest
from kws_training.data.corpus import (
    Corpus,
    Folders,
    Recording,
    background_part,
    background_paths,
    head_label,
    read_word,
)
from kws_training.data.layouts import Clip, read_dataset
from kws_training.evaluation.eval_sets import Background, Item, check_scenes, material

SEED = 1
_KEPT_SAMPLES = 32 << 20
"""Of the recordings that were asked for last: 128 MiB, which holds a fold of ESC-50."""

T = TypeVar("T")


@dataclass(frozen=True)
class Window:
    """A window to be judged, known before it is read."""

    label: str
    """What its head should say."""
    read: Callable[[], Item]


@dataclass(frozen=True)
class Windows:
    """What a split offers to be judged."""

    words: Sequence[Window]
    """Speech, and background windows as `_silence_`."""
    scenes: Sequence[Window]
    """Audible seconds of scene recordings."""
    backgrounds: dict[str, Sequence[Background]]
    """What words are mixed with, by what reports call it: scenes, then noise."""
    left_out: int
    """Scene windows below -60 dBFS."""


class Lazy(Sequence[T]):
    """A sequence whose elements are made when they are asked for."""

    def __init__(self, count: int, make: Callable[[int], T]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        """One element, or a list of several. Raises IndexError beyond the end."""
        if isinstance(index, slice):
            return [self._make(i) for i in range(self._count)[index]]
        return self._make(range(self._count)[index])


class Library:
    """Recordings by number, decoded when they are asked for; those asked for last are kept."""

    def __init__(self, clips: Sequence[Clip], sample_rate_hz: int) -> None:
        self.clips = clips
        self._rate = sample_rate_hz
        self._kept: OrderedDict[int, Recording] = OrderedDict()
        self._samples = 0

    def __getitem__(self, number: int) -> Recording:
        """Raises InputError for a file that cannot be read."""
        if number not in self._kept:
            clip = self.clips[number]
            recording = Recording(audio_files.read(clip.path, self._rate), clip.label, clip)
            self._kept[number] = recording
            self._samples += len(recording.samples)
            while self._samples > _KEPT_SAMPLES and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._samples -= len(oldest.samples)
        self._kept.move_to_end(number)
        return self._kept[number]


def windows(
    folders: Folders, manifest: Manifest, split: str, folds: str = "documented", limit: int | None = None
) -> Windows:
    """A split's windows; scene recordings are read once, to know which of their seconds can be heard.

    Args:
        folders: speech, scenes and noise, each may be absent.
        manifest: of the model: its keywords, scenes and window.
        split: validation, test or all.
        folds: by which UrbanSound8K is split, see `layouts.FOLDS`.
        limit: a seeded draw of so many words and as many scene windows, balanced by class.

    Raises:
        InputError: a folder or split without audio, or a scene that the model does not know.
    """
    rate, length = manifest.front_end.sample_rate_hz, manifest.front_end.clip_samples
    words: list[Window] = []
    scenes: list[Window] = []
    backgrounds: dict[str, Sequence[Background]] = {}
    left_out = 0
    if folders.speech is not None:
        speech = read_dataset(folders.speech)
        for clip in speech.split(split):
            label = head_label(clip.label, manifest.trained_keywords)
            words.append(Window(label, partial(_word, clip, label, rate, length)))
        noise = Corpus([], [], background_part(speech, split, rate), [])
        words += [Window(item.label, partial(_same, item)) for item in material(noise, length).words]
    if folders.scenes is not None:
        clips = read_dataset(folders.scenes, folds).split(split)
        check_scenes(Corpus([], [_unread(clip) for clip in clips], [], []), manifest)
        library = Library(clips, rate)
        for number in tqdm(range(len(clips)), desc="scenes", unit="file", leave=False):
            items, silent = _seconds(library, number, length)
            left_out += silent
            scenes += [
                Window(item.label, partial(_second, library, number, length, n))
                for n, item in enumerate(items)
            ]
        backgrounds["scenes"] = Lazy(len(clips), partial(_background, library, True))
    if folders.noise is not None:
        paths = background_paths(folders.noise, split)
        files = Library([Clip(path, "noise", split, path.stem, folders.noise) for path in paths], rate)
        backgrounds["noise"] = Lazy(len(files.clips), partial(_background, files, False))
    if limit is not None:
        words, scenes = balanced(words, limit), balanced(scenes, limit)
    if not words and not scenes:
        raise InputError("nothing to measure in these folders; give --speech, --scenes or both")
    return Windows(words, scenes, backgrounds if words else {}, left_out)


def chunks(items: Sequence[Window], size: int) -> Iterable[tuple[int, list[Item]]]:
    """The number of the first, and the windows read, so many at a time."""
    for first in range(0, len(items), size):
        yield first, [window.read() for window in items[first : first + size]]


def balanced(items: Sequence[Window], limit: int) -> list[Window]:
    """A seeded draw of at most `limit` windows, class by class in turn, in the windows' order."""
    rng = np.random.default_rng(SEED)
    by_class: dict[str, list[int]] = {}
    for i in rng.permutation(len(items)):
        by_class.setdefault(items[i].label, []).append(int(i))
    rounds = [(turn, i) for indices in by_class.values() for turn, i in enumerate(indices)]
    chosen = sorted(i for _, i in sorted(rounds)[:limit])
    return [items[i] for i in chosen]


def read_all(windows_: Sequence[Window]) -> Sequence[Item]:
    """The windows as items, each read when it is asked for."""
    return Lazy(len(windows_), lambda n: windows_[n].read())


def _same(item: Item) -> Item:
    return item


def _word(clip: Clip, label: str, rate: int, length: int) -> Item:
    recording = Recording(read_word(clip.path, rate), label, clip)
    return material(Corpus([recording], [], [], []), length).words[0]


def _seconds(library: Library, number: int, length: int) -> tuple[Sequence[Item], int]:
    found = material(Corpus([], [library[number]], [], []), length)
    return found.scenes, found.left_out


def _second(library: Library, number: int, length: int, n: int) -> Item:
    return _seconds(library, number, length)[0][n]


def _background(library: Library, with_label: bool, number: int) -> Background:
    recording = library[number]
    return recording.samples, recording.label if with_label else None


def _unread(clip: Clip) -> Recording:
    return Recording(np.zeros(0, np.float32), clip.label, clip)
