"""Named backgrounds (talk, other people's words, noise, music) and the keywords that are said in them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kws_device import InputError
from kws_training.data.corpus import background_paths, paths_below
from kws_training.data.masks import Masks, Said, transcripts, words_of
from kws_training.data.splits import background_rule

SPEECH, NOISE = "speech", "noise"

MASKS = "masks.csv"
"""A table of what is said, as `kws-data mine` writes it; in a folder of sound it is found by itself."""


@dataclass(frozen=True)
class Source:
    """A folder of sound that was named on the command line."""

    name: str
    """Of the background that it belongs to; folders of the same name make one background."""
    folder: Path


@dataclass(frozen=True)
class Passage:
    """A recording that is listened to, and the keywords that are known to be said in it.

    A word whose time is not known lasts from 0 to infinity.
    """

    path: Path
    name: str
    """Its path below the folder that was named."""
    in_sentences: tuple[Said, ...] = ()
    """Each occurrence in running speech, which a transcript tells."""
    apart: tuple[Said, ...] = ()
    """What masks or the name of its folder tell."""

    @property
    def said(self) -> tuple[Said, ...]:
        """All of it."""
        return self.in_sentences + self.apart


@dataclass(frozen=True)
class Background:
    """Sound in which nobody says a keyword to the device."""

    name: str
    kind: str
    """SPEECH or NOISE."""
    passages: tuple[Passage, ...]
    transcribed: bool
    """Whether transcripts, masks or the name of its folder tell what is said in it."""
    left_out: tuple[str, ...]
    """Recordings without a transcript where others of their folder have one: unknown what is said there."""
    split_by: str
    """The rule that split it, as reports name it."""


def sources(texts: Sequence[str]) -> list[Source]:
    """Folders as they are named on the command line: DIR or NAME=DIR.

    A folder without a name is called after itself, with as many of the folders above it as tell it from
    the others.

    Args:
        texts: what was given, in order.
    """
    named: list[tuple[str | None, Path]] = []
    for text in texts:
        name, equals, folder = text.partition("=")
        explicit = bool(equals and name) and not Path(text).is_dir()
        named.append((name, Path(folder)) if explicit else (None, Path(text)))
    unnamed = [folder.resolve() for name, folder in named if name is None]
    taken = {name for name, _ in named if name is not None}
    return [
        Source(_called(folder.resolve(), unnamed, taken) if n is None else n, folder) for n, folder in named
    ]


def _called(folder: Path, others: Iterable[Path], taken: set[str]) -> str:
    parts = folder.parts[1:] or (folder.anchor,)
    rivals = [other.parts for other in others if other != folder]
    for depth in range(1, len(parts)):
        name = "/".join(parts[-depth:])
        if name not in taken and not any(rival[-depth:] == parts[-depth:] for rival in rivals):
            return name
    return "/".join(parts)


def backgrounds(
    speech: Sequence[Source],
    noise: Sequence[Source],
    split: str,
    keywords: Sequence[str],
    masks: Sequence[Path] = (),
) -> list[Background]:
    """The recordings of a split, folder by folder, by the rule of training (`background_paths`).

    What is said is known from transcripts (`*.trans.txt`), from masks, and from the folder that holds a
    recording: in a folder that is called like a keyword, each recording says it.

    Args:
        speech: folders of talk or of other people's words.
        noise: folders of noise and music.
        split: validation, test or all.
        keywords: of the model.
        masks: tables that `Masks.read` reads, beside those that lie in the folders.

    Returns:
        speech, then noise, each name once.

    Raises:
        InputError: a folder that is missing or has nothing for the split, a transcript or table that is none,
            a table that names none of the recordings, a recording that is in two of the folders, or a name
            that stands for speech and for noise.
    """
    tables = {path: Masks.read(path) for path in masks}
    everything = [path for source in (*speech, *noise) for path in _below(source.folder)]
    path, count = Counter(everything).most_common(1)[0]
    if count > 1:
        raise InputError(
            f"{path}: is in two of the folders, so its hours would count twice; name each folder once"
        )
    for path, table in tables.items():
        if len(table) and not any(map(table.of, everything)):
            raise InputError(f"{path}: names none of the recordings; give the folders that it was made from")
    found: dict[str, Background] = {}
    for kind, folders in ((SPEECH, speech), (NOISE, noise)):
        for source in folders:
            new = _background(source, kind, split, keywords, list(tables.values()))
            old = found.get(source.name)
            if old is not None and old.kind != kind:
                raise InputError(
                    f"{source.name}: is the name of both speech and noise; rename one with NAME=DIR"
                )
            found[source.name] = new if old is None else _joined(old, new)
    return list(found.values())


def _below(folder: Path) -> list[Path]:
    return [folder.resolve() / path.relative_to(folder) for path in paths_below(folder)]


def _background(
    source: Source, kind: str, split: str, keywords: Sequence[str], tables: Sequence[Masks]
) -> Background:
    folder = source.folder
    if (beside := folder / MASKS).is_file():
        tables = [*tables, Masks.read(beside)]
    texts = transcripts(folder)
    passages: list[Passage] = []
    left_out: list[str] = []
    known = bool(texts)
    for path in background_paths(folder, split):
        relative = path.relative_to(folder)
        where = folder.resolve() / relative
        timed = [said for table in tables for said in table.of(where)]
        if texts and path.stem not in texts and not timed:
            left_out.append(relative.as_posix())
            continue
        in_sentences, apart = _said(keywords, texts.get(path.stem, ""), timed, where.parent.name)
        known = known or bool(timed or apart)
        passages.append(Passage(path, relative.as_posix(), tuple(in_sentences), tuple(apart)))
    if not passages:
        raise InputError(f"{folder}: its transcripts name none of its sound files; copy the folder again")
    rule = background_rule(paths_below(folder), folder)
    return Background(source.name, kind, tuple(passages), known, tuple(left_out), rule)


def _said(
    keywords: Sequence[str], text: str, timed: Sequence[Said], folder: str
) -> tuple[list[Said], list[Said]]:
    """Keywords said in sentences, and others: by a recording's transcript, its masks and its folder."""
    in_sentences: list[Said] = []
    apart: list[Said] = []
    for word in keywords:
        same = (said for said in timed if said.word.lower() == word.lower())
        times = list(dict.fromkeys(Said(word, said.start_s, said.end_s) for said in same))
        if count := _occurrences(text, word):
            # Times stand for a transcript only where there is one for each occurrence.
            in_sentences += times if len(times) == count else [_somewhere(word)] * count
        elif times:
            apart += times
        elif folder.lower() == word.lower():
            apart.append(_somewhere(word))
    return in_sentences, apart


def _joined(one: Background, other: Background) -> Background:
    return Background(
        one.name,
        one.kind,
        one.passages + other.passages,
        one.transcribed and other.transcribed,
        one.left_out + other.left_out,
        one.split_by if one.split_by == other.split_by else f"{one.split_by}; {other.split_by}",
    )


def _somewhere(word: str) -> Said:
    return Said(word, 0.0, math.inf)


def _occurrences(text: str, keyword: str) -> int:
    """How often a keyword, of one word or several, is said in a text."""
    words, wanted = words_of(text), words_of(keyword)
    return sum(words[n : n + len(wanted)] == wanted for n in range(len(words) - len(wanted) + 1))
