"""A spotter over hours of sound, held against what it did in the first minutes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kws_device import Spotter

from .ledger import Expected, Ledger
from .sound import Rounds, compose_round, draw_losses

_SETTLED_S = 600.0
"""Memory counts from here on; of shorter sound, from its third on."""
_POINTS = 100
"""Of the memory's curve in the report."""


def soak(
    model: str | Path | None,
    hours: float,
    seed: int,
    load: Callable[[str | Path | None], Spotter] = Spotter.load,
) -> dict[str, Any]:
    """Listen to `hours` of sound as fast as it goes, with a new spotter from half of it on.

    The sound is one minute of words over noise, again and again, from a source that loses some of it and
    delivers blocks of odd sizes. Two minutes of it without faults, in even blocks, tell which events are
    expected.

    Args:
        model: file or shipped name; None: the shipped default.
        hours: of sound, rounded to whole minutes, at least two of them.
        seed: of the noise, the places of the words, the losses and the sizes of blocks.
        load: makes a spotter of a model; tests give faulty ones.

    Returns:
        what `kws-bench soak --json` prints. `memory_growth_mb`: the largest resident memory after the
        first ten minutes of sound (for less than half an hour: after its third) above that at their end.

    Raises:
        InputError: a model that cannot be used.
    """
    run = _Soak(lambda: load(model), seed)
    rounds = max(2, round(hours * 3600 / run.round_s))
    parts = (rounds - rounds // 2, rounds // 2)
    began_s = time.process_time()
    with tqdm(total=rounds, desc="soaking", unit="min", leave=False) as bar:
        for part, count in enumerate(parts):
            run.listen(count, seed + 1 + part, lambda: bar.update())
    return run.report(len(parts) - 1, time.process_time() - began_s)


class _Soak:
    """What all spotters of a run share, and what came of them."""

    def __init__(self, load: Callable[[], Spotter], seed: int) -> None:
        self._load = load
        spotter = load()
        self._manifest = spotter.manifest
        self._round = compose_round(spotter.manifest, seed)
        rate = spotter.manifest.front_end.sample_rate_hz
        self.round_s = len(self._round) / rate
        self._decisions_of_round = round(self.round_s * 1000 / spotter.manifest.decoder.decision_ms)
        heard = [
            Expected(event.keyword, event.end_s)
            for event in spotter.listen(Rounds(self._round, 2, (), seed=None))
        ]
        # The first round begins in silence, every other one behind the end of a round.
        self._first = [event for event in heard if event.end_s <= self.round_s]
        self._later = [
            Expected(event.keyword, event.end_s - self.round_s)
            for event in heard
            if event.end_s > self.round_s
        ]
        self._rss_mb: list[float] = []
        self._ledgers: list[Ledger] = []
        self._faults = 0
        self._lost_s = self._audio_s = 0.0

    def listen(self, rounds: int, seed: int, progress: Callable[[], object]) -> None:
        """Let a new spotter listen to so many rounds."""
        losses = draw_losses(rounds, self.round_s, seed)
        ledger = Ledger(self._manifest, losses)
        source = Rounds(self._round, rounds, losses, seed)
        begun = 0
        ledger.expect(self._expected(0))
        for i, decision in enumerate(self._load().decisions(source)):
            if i % self._decisions_of_round == 0:
                begun += 1
                if begun < rounds:
                    ledger.expect(self._expected(begun))
                self._rss_mb.append(_resident_mb())
                progress()
            if decision.event is not None:
                ledger.hear(decision.event)
            ledger.pass_time(decision.end_s)
        # A spotter that stopped early heard nothing of the rest.
        for missed in range(begun + 1, rounds):
            ledger.expect(self._expected(missed))
        ledger.close()
        self._ledgers.append(ledger)
        self._faults += len(losses)
        self._lost_s += source.lost_s
        self._audio_s += source.audio_s

    def _expected(self, number: int) -> list[Expected]:
        events = self._later if number else self._first
        return [Expected(event.keyword, event.end_s + number * self.round_s) for event in events]

    def report(self, reloads: int, cpu_s: float) -> dict[str, Any]:
        """The figures of all that was listened to."""
        rss_mb, audio_s = self._rss_mb, self._audio_s
        settled = min(round(_SETTLED_S / self.round_s), len(rss_mb) // 3)
        every = -(-len(rss_mb) // _POINTS)
        expected = sum(ledger.expected for ledger in self._ledgers)
        lost = sum(ledger.lost for ledger in self._ledgers)
        return {
            "model": self._manifest.name,
            "hash": self._manifest.hash,
            "hours": round(audio_s / 3600, 4),
            "reloads": reloads,
            "faults": self._faults,
            "lost_s": round(self._lost_s, 3),
            "events_expected": expected,
            "events_heard": expected - lost,
            "events_lost": lost,
            "events_strange": sum(ledger.strange for ledger in self._ledgers),
            "events_masked": sum(ledger.masked for ledger in self._ledgers),
            "drift_s": round(max(ledger.drift_s for ledger in self._ledgers), 3),
            "settled_s": settled * self.round_s,
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
