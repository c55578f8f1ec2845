"""Runs a listener over hours of sound and compares each round with the first."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kws_device import Spotter, trial
from kws_device.events import Decision
from kws_device.model import model_file
from kws_device.model.model_file import ModelFile
from kws_device.session import Session
from kws_device.sinks import Sink
from kws_device.sources import AudioSource

from .ledger import Expected, Ledger
from .sound import Loss, Rounds, compose_round, draw_losses
from .swaps import Swaps

_SETTLED_S = 3600.0
"""Memory counts from here on; of shorter sound, from its third on. By then a model was taken twice and
every bad file read once: the first of each grow the heap, later ones reuse it.
"""
_POINTS = 100
"""Of the memory's curve in the report."""
_RELOAD_EVERY = 10
"""Rounds; short runs reload at least five times, if they have so many rounds."""
_LOOK_AGAIN_S = 0.005


def soak(
    model: str | Path | None,
    hours: float,
    seed: int,
    make: Callable[[ModelFile], Spotter] = Spotter.of,
) -> dict[str, Any]:
    """Listen to `hours` of sound as fast as it goes, with faults.

    The sound is one minute of words over noise, again and again, from a source that loses some of it and
    delivers blocks of odd sizes. Every ten minutes the model's file is swapped and read again: for the
    same model, for a cut file, one with an impossible manifest and one whose network has offsets that
    lead outside the file, in turn. Two minutes of the sound without faults, in even blocks, tell which
    events are expected.

    Args:
        model: file or shipped name; None: the shipped default.
        hours: of sound, rounded to whole minutes, at least two of them.
        seed: of the noise, the places of the words, the losses and the sizes of blocks.
        make: a spotter of a model; tests make faulty ones.

    Returns:
        what `kws-bench soak --json` prints. `reloads`: models taken; `reloads_refused`: files refused;
        `reloads_wrong`: a model refused or a bad file taken. `memory_growth_mb`: the largest resident
        memory after the first hour of sound (for less than three hours: after its third) above that at
        its end.

    Raises:
        InputError: a model that cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="kws-soak-") as folder:
        return _Soak(Swaps(Path(folder) / "model", model_file.find(model)), hours, seed, make).run()


class _Soak(Sink):
    """A run: what should be heard, and what came of it."""

    def __init__(self, swaps: Swaps, hours: float, seed: int, make: Callable[[ModelFile], Spotter]) -> None:
        self._swaps = swaps
        self._session = Session(lambda: make(trial.load(swaps.path)), self)
        spotter = make(trial.load(swaps.path))
        self._manifest = spotter.manifest
        samples = compose_round(spotter.manifest, seed)
        self._round_s = len(samples) / spotter.manifest.front_end.sample_rate_hz
        heard = [
            Expected(event.keyword, event.end_s)
            for event in spotter.listen(Rounds(samples, 2, (), seed=None))
        ]
        # The first round begins in silence, every other one behind the end of a round.
        self._first = [event for event in heard if event.end_s <= self._round_s]
        self._later = [
            Expected(event.keyword, event.end_s - self._round_s)
            for event in heard
            if event.end_s > self._round_s
        ]
        rounds = max(2, round(hours * 3600 / self._round_s))
        every = max(1, min(_RELOAD_EVERY, rounds // 6))
        self._reload_at = range(every, rounds, every)
        self._losses = draw_losses(rounds, self._round_s, seed + 1)
        # A model that takes over has heard nothing of what was before.
        fresh = [
            Loss(number * self._round_s, number * self._round_s)
            for i, number in enumerate(self._reload_at)
            if swaps.is_good(i)
        ]
        in_time = sorted([*self._losses, *fresh], key=lambda loss: loss.start_s)
        self._ledger = Ledger(spotter.manifest, in_time)
        self._source = Rounds(samples, rounds, self._losses, seed + 1, self._before_round)
        self._bar = tqdm(total=rounds, desc="soaking", unit="min", leave=False)
        self._rss_mb: list[float] = []
        self._spotter: Spotter | None = None
        self._waiting = False
        self._must_be_taken: bool | None = None
        """What is to be seen at the next decision, where the model was read again."""
        self._reloads = self._refused = self._wrong = 0

    def run(self) -> dict[str, Any]:
        """Listen, and report."""
        began_s = time.process_time()
        with self._bar:
            self._session.run([self._source])
        self._ledger.close()
        return self._report(time.process_time() - began_s)

    def _before_round(self, number: int) -> Iterator[None]:
        """Tell what is expected of a round, and have the model read again where its time has come."""
        events = self._later if number else self._first
        self._ledger.expect(Expected(event.keyword, event.end_s + number * self._round_s) for event in events)
        self._rss_mb.append(_resident_mb())
        self._bar.update()
        if number in self._reload_at:
            swap = self._reload_at.index(number)
            self._swaps.swap(swap)
            self._must_be_taken = self._swaps.is_good(swap)
            self._waiting = True
            self._session.reload_soon()
            # The model is read beside the sound, which waits here: a new one must begin with a round, or
            # its decisions would fall between those that are expected.
            while self._waiting:
                yield
                time.sleep(_LOOK_AGAIN_S)

    def reloading(self) -> None:
        """See Sink."""
        self._waiting = False

    def decided(self, decision: Decision, source: AudioSource) -> None:
        """See Sink."""
        spotter = self._session.spotter
        if self._must_be_taken is not None:
            taken = spotter is not self._spotter
            self._reloads += taken
            self._refused += not taken
            self._wrong += taken != self._must_be_taken
            self._must_be_taken = None
        self._spotter = spotter
        if decision.event is not None:
            self._ledger.hear(decision.event)
        self._ledger.pass_time(decision.end_s)

    def _report(self, cpu_s: float) -> dict[str, Any]:
        rss_mb, audio_s, ledger = self._rss_mb, self._source.audio_s, self._ledger
        settled = min(round(_SETTLED_S / self._round_s), len(rss_mb) // 3)
        every = -(-len(rss_mb) // _POINTS)
        return {
            "model": self._manifest.name,
            "hash": self._manifest.hash,
            "hours": round(audio_s / 3600, 4),
            "reloads": self._reloads,
            "reloads_refused": self._refused,
            "reloads_wrong": self._wrong,
            "faults": len(self._losses),
            "lost_s": round(self._source.lost_s, 3),
            "events_expected": ledger.expected,
            "events_heard": ledger.expected - ledger.lost,
            "events_lost": ledger.lost,
            "events_strange": ledger.strange,
            "events_masked": ledger.masked,
            "drift_s": round(ledger.drift_s, 3),
            "settled_s": settled * self._round_s,
            "rss_mb": round(max(rss_mb), 2),
            "memory_growth_mb": round(max(rss_mb[settled:]) - rss_mb[settled], 2),
            "memory_mb": [round(value, 2) for value in rss_mb[::every]],
            "cpu_s": round(cpu_s, 1),
            "cpu_ms_per_audio_s": round(1000 * cpu_s / audio_s, 3),
        }


def _resident_mb() -> float:
    """Memory of this process at this moment."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
