"""Endless sound that repeats exactly, with parts removed on purpose."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_device import Manifest, audio_files
from kws_device.sources import LISTENING

from .._support.checkout import demo, demo_words

_ROUND_S = 60.0
_NOISE_RMS = 1e-3
"""-60 dB re full scale: a quiet room."""
_MARGIN_S = 0.05
"""Of the recording around each word, faded in and out."""
_BLOCKS = (1, 7, 160, 441, 1024, 1600, 4800, 16001)
"""Sizes of blocks in samples: what microphones deliver, and what nobody should."""
_EVEN_BLOCK = 1600
_LOSS_SHARE = 0.5
"""Of the rounds; a loss every two minutes."""
_LOSS_S = (0.01, 5.0)
"""From an overflow to a plug pulled and put back."""

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class Loss:
    """Sound that a source could not deliver."""

    start_s: float
    end_s: float


def compose_round(manifest: Manifest, seed: int) -> Sound:
    """A minute with every word of the demo recording over quiet noise, shape (n,).

    It is a whole number of decisions long: repeated, each word comes at the same place of their grid.
    """
    rate = manifest.front_end.sample_rate_hz
    step = round(rate * manifest.decoder.decision_ms / 1000)
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal(step * round(_ROUND_S * rate / step), dtype=np.float32)
    samples *= np.float32(_NOISE_RMS)
    recording, words = audio_files.read(demo(), rate), demo_words()
    margin = round(_MARGIN_S * rate)
    fade = np.linspace(0, 1, margin, dtype=np.float32)
    slot = len(samples) // len(words)
    for i, word in enumerate(words):
        said = recording[round(word.start_s * rate) - margin : round(word.end_s * rate) + margin].copy()
        said[:margin] *= fade
        said[-margin:] *= fade[::-1]
        at = i * slot + int(rng.integers(slot - len(said)))
        samples[at : at + len(said)] += said
    return samples


def draw_losses(rounds: int, round_s: float, seed: int) -> list[Loss]:
    """Losses of all lengths at any time, in order, each within its round."""
    rng = np.random.default_rng(seed)
    losses = []
    for i in range(rounds):
        if rng.random() < _LOSS_SHARE:
            length_s = float(np.exp(rng.uniform(*np.log(_LOSS_S))))
            start_s = i * round_s + float(rng.uniform(0, round_s - length_s))
            losses.append(Loss(start_s, start_s + length_s))
    return losses


class Rounds:
    """A source that plays a round again and again, in blocks of odd sizes, and loses some of it."""

    def __init__(
        self,
        samples: Sound,
        rounds: int,
        losses: Sequence[Loss],
        seed: int | None,
        before_round: Callable[[int], Iterator[None]] = lambda number: iter(()),
    ) -> None:
        """Prepare to play.

        Args:
            samples: of a round, shape (n,).
            rounds: to play.
            losses: in order of time, not overlapping.
            seed: of the sizes of blocks; None: all are alike.
            before_round: gets the number of a round; an empty block is delivered whenever it yields.
        """
        self._before_round = before_round
        self.name, self.state = "rounds", LISTENING
        self.audio_s = self.lost_s = 0.0
        self._samples, self._rounds, self._losses, self._seed = samples, rounds, losses, seed

    def blocks(self, sample_rate_hz: int) -> Iterator[Sound]:
        """See AudioSource."""
        lost = [
            (round(loss.start_s * sample_rate_hz), round(loss.end_s * sample_rate_hz))
            for loss in self._losses
        ]
        ends = [end for _, end in lost]
        n, total = len(self._samples), self._rounds * len(self._samples)
        at = 0
        for size in self._sizes():
            if at >= total:
                return
            place = at % n
            if place == 0:
                for _ in self._before_round(at // n):
                    yield self._samples[:0]
            block = self._samples[place : place + size]
            for start, end in itertools.islice(lost, bisect.bisect_right(ends, at), None):
                if start >= at + len(block):
                    break
                block = block.copy()
                silent = block[max(0, start - at) : end - at]
                silent[:] = 0
                self.lost_s += len(silent) / sample_rate_hz
            at += len(block)
            yield block
            self.audio_s = at / sample_rate_hz

    def _sizes(self) -> Iterator[int]:
        if self._seed is None:
            yield from itertools.repeat(_EVEN_BLOCK)
        rng = np.random.default_rng(self._seed)
        while True:
            yield from rng.choice(_BLOCKS, 1000).tolist()
