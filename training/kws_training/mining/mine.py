"""Listens to recordings, masks what is really said, and keeps the stretches with the highest scores."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kws_device import InputError, audio_files
from kws_device._support import atomic
from kws_device._support.schema import json_text
from kws_device.model import model_file
from kws_device.model.engine import kinds
from kws_device.model.model_file import ModelFile

from ..data import mined
from ..data.masks import Masks, Said, covers, write_masks
from ..data.mined import BEFORE_S, BEHIND_S, STRETCHES, SUMMARY, TABLE, Mined
from .candidates import Candidate, Heard
from .journal import Journal
from .opinion import SAMPLE_RATE_HZ, Opinion, Whisper, said_in
from .recordings import Recording, recordings_of
from .workers import Cut, Each, cut, hear, workers

MASKS = "masks.csv"
NEAR = 0.3
MOST = 10_000
MOST_MB = 1000.0
_JOURNAL = ".mining.jsonl"
_OPINION_REACH_S = 0.5
"""A transcriber's times are off by so much."""
_WORDS_BEHIND_S = 0.3
_WORDS_BEFORE_S = 2.0
"""Between so much before a candidate's decision and so much behind it lies the word that it may come from."""


class NothingMinedError(InputError):
    """There is nothing in the sound that the model comes near firing at."""


@dataclass(frozen=True)
class Plan:
    """What is listened to, and what is kept."""

    model: str | Path | None
    """A file or a shipped model's name; None: the shipped default."""
    sound: tuple[Path, ...]
    """Folders of recordings."""
    near: float = NEAR
    """The smoothed score with which a keyword counts as near firing."""
    smoothing_s: float | None = None
    """Scores are averaged over this time; None: as the model says."""
    split: str = "train"
    """train, validation or test by `background_splits`, or all."""
    masks: tuple[Path, ...] = ()
    """Tables of what is really said."""
    weights: Path | None = None
    """Folder of a transcriber's weights, for a second opinion."""
    most: int = MOST
    """Stretches kept at most, the nearest to firing."""
    most_mb: float = MOST_MB
    """Megabytes of them at most, reckoned without compression."""

    def __post_init__(self) -> None:
        """Raises InputError for values that keep nothing."""
        if not 0 < self.near < 1:
            raise InputError(f"--near {self.near:g}: must lie between 0 and 1")
        if self.smoothing_s is not None and not 0 <= self.smoothing_s <= 10:
            raise InputError(f"--smoothing {self.smoothing_s:g}: must lie between 0 and 10 s")
        if self.most < 1 or not self.most_mb > 0:
            raise InputError("--most and --most-mb: must be above zero")


def mine(plan: Plan, out: Path, jobs: int | None = None, opinion: Opinion | None = None) -> dict[str, Any]:
    """Fill a new folder with mined sound; what an interrupted call has found in it is used.

    The result depends on model, sound and plan alone, not on the number of processes.

    Args:
        plan: what to listen to and what to keep.
        out: must be new, empty, or hold the beginning of the same.
        jobs: processes that listen; None: as many as there are cores.
        opinion: asked instead of the transcriber of `plan.weights`.

    Returns:
        the summary: {"model", "hash", "sample_rate_hz", "keywords", "near", "smoothing_s", "split", "sound",
        "recordings", "hours", "found", "masked", "kept"}.

    Raises:
        InputError: a model without keywords, no sound, a recording that cannot be read, no candidate in all
            of it, or a folder that is taken; nothing is left behind then.
    """
    file = model_file.read(model_file.find(plan.model, kinds(None)))
    keywords = file.manifest.trained_keywords
    if not keywords:
        raise InputError(f"{file.path}: hears no keywords; give a model with a keyword head")
    masks = [Masks.read(path) for path in plan.masks]
    if opinion is None and plan.weights is not None:
        opinion = Whisper(plan.weights)
    recordings = recordings_of(plan.sound, plan.split, keywords)
    with _folder(out, _about(plan, file)) as journal:
        with workers(jobs, len(recordings), file, plan.near, plan.smoothing_s) as each:
            heard = list(_heard(recordings, journal, each))
            known = {r.name: _said(r, h.audio_s, masks) for r, h in zip(recordings, heard, strict=True)}
            found = [(r, c) for r, h in zip(recordings, heard, strict=True) for c in h.candidates]
            free = [(r, c) for r, c in found if not covers(known[r.name], c.word, c.end_s)]
            hours = sum(h.audio_s for h in heard) / 3600
            if not free:
                raise NothingMinedError(_nothing(plan, hours, heard, len(found)))
            kept = _nearest(free, plan, file.manifest.front_end.sample_rate_hz)
            rows = _cut(kept, out, each)
        doubted = _doubted(rows, out, opinion, journal) if opinion is not None else []
        for row, _ in doubted:
            (out / row.file).unlink()
        rows = [row for row in rows if row.file not in {taken.file for taken, _ in doubted}]
        if not rows:
            raise NothingMinedError(_nothing(plan, hours, heard, len(found)))
        said = [(r.name, s) for r in recordings for s in known[r.name]]
        write_masks(out / MASKS, said + [(row.recording, s) for row, words in doubted for s in words])
        summary = {
            "model": file.manifest.name,
            "hash": file.manifest.hash,
            "sample_rate_hz": file.manifest.front_end.sample_rate_hz,
            "keywords": list(keywords),
            "near": plan.near,
            "smoothing_s": plan.smoothing_s,
            "split": plan.split,
            "sound": [folder.resolve().name for folder in plan.sound],
            "recordings": len(recordings),
            "hours": round(hours, 5),
            "found": len(found),
            "masked": len(found) - len(free) + len(doubted),
            "kept": len(rows),
        }
        atomic.write_text(out / SUMMARY, json_text(summary, indent=1) + "\n")
        mined.write_table(out, rows)
    return summary


def _about(plan: Plan, file: ModelFile) -> str:
    """What a journal's results depend on: the model, and how it listens."""
    return f"{file.manifest.hash} {plan.near!r} {plan.smoothing_s!r}"


@contextmanager
def _folder(out: Path, about: str) -> Iterator[Journal]:
    """The folder while it is filled: private, since it holds what people said; removed where input is bad."""
    journal_path = out / _JOURNAL
    if (out / TABLE).exists() or not journal_path.is_file():
        atomic.check_vacant(out)
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        out.chmod(0o700)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another folder") from error
    journal = Journal(journal_path, about)
    try:
        shutil.rmtree(out / STRETCHES, ignore_errors=True)
        (out / STRETCHES).mkdir(mode=0o700)
        yield journal
    except InputError:
        for path in (out / MASKS, out / SUMMARY, journal_path):
            path.unlink(missing_ok=True)
        shutil.rmtree(out / STRETCHES, ignore_errors=True)
        if new:
            out.rmdir()
        raise
    else:
        journal_path.unlink()
    finally:
        journal.close()


def _heard(recordings: Sequence[Recording], journal: Journal, each: Each) -> Iterator[Heard]:
    """What the model made of each recording, from the journal where it is known."""
    keys = [recording.key for recording in recordings]
    fresh = each(hear, [r.path for r, key in zip(recordings, keys, strict=True) if key not in journal])
    for key in tqdm(keys, "listening", unit="recording", leave=False):
        if key not in journal:
            heard: Heard = next(fresh)
            journal.add(key, asdict(heard))
        known = journal[key]
        yield Heard(known["audio_s"], known["highest"], tuple(Candidate(**c) for c in known["candidates"]))


def _said(recording: Recording, audio_s: float, masks: Iterable[Masks]) -> list[Said]:
    """What is known to be said in a recording; by its transcript alone, somewhere in all of it."""
    whole = [Said(word, 0.0, audio_s) for word in recording.said]
    return whole + [said for table in masks for said in table.of(recording.path)]


def _nothing(plan: Plan, hours: float, heard: Iterable[Heard], found: int) -> str:
    if found:
        return f"in {hours:.2f} hours of sound all {found} candidates are really said; give other sound"
    highest = max(h.highest for h in heard)
    return (
        f"in {hours:.2f} hours of sound no word leads with a score above {plan.near:g} "
        f"({highest:.3f} at most); give more sound or a lower --near"
    )


def _nearest(
    found: Sequence[tuple[Recording, Candidate]], plan: Plan, sample_rate_hz: int
) -> list[tuple[Recording, Candidate]]:
    """The highest scores, as many as the plan allows, in the order in which they were found."""
    largest = 2 * round((BEFORE_S + BEHIND_S) * sample_rate_hz)
    most = min(plan.most, max(1, int(plan.most_mb * 1e6 / largest)))
    nearest = sorted(range(len(found)), key=lambda i: (-found[i][1].score, i))[:most]
    return [found[i] for i in sorted(nearest)]


def _cut(kept: Sequence[tuple[Recording, Candidate]], out: Path, each: Each) -> list[Mined]:
    """Write the stretches; returns the rows of the table."""
    rows = [
        Mined(r.name, c.end_s, c.word, c.score, c.peak_s, r.split, f"{STRETCHES}/{i:05}.flac",
              round(min(c.end_s, BEFORE_S), 3))
        for i, (r, c) in enumerate(kept)
    ]  # fmt: skip
    pieces: dict[Path, list[tuple[Path, float]]] = {}
    for row, (recording, _) in zip(rows, kept, strict=True):
        pieces.setdefault(recording.path, []).append((out / row.file, row.end_s))
    cuts = [Cut(path, tuple(found)) for path, found in pieces.items()]
    for _ in tqdm(each(cut, cuts), "cutting", len(cuts), unit="recording", leave=False):
        pass
    return rows


def _doubted(
    rows: Sequence[Mined], out: Path, opinion: Opinion, journal: Journal
) -> list[tuple[Mined, list[Said]]]:
    """The stretches in which the second opinion hears the word, and where in their recordings."""
    found = []
    for row in tqdm(rows, "second opinion", unit="stretch", leave=False):
        key = f"opinion {row.recording} {row.end_s}"
        if key not in journal:
            words = opinion.words(audio_files.read(out / row.file, SAMPLE_RATE_HZ))
            journal.add(key, [asdict(word) for word in words])
        begins_s = row.end_s - row.at_s
        near = (row.at_s - _WORDS_BEFORE_S, row.at_s + _WORDS_BEHIND_S)
        said = [
            replace(s, start_s=max(0.0, begins_s + s.start_s - _OPINION_REACH_S), end_s=begins_s + s.end_s)
            for s in said_in([Said(**word) for word in journal[key]], row.word)
            if s.start_s < near[1] and s.end_s > near[0]
        ]
        if said:
            found.append((row, said))
    return found
