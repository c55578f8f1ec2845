"""Confidence intervals of a difference on few windows."""

from __future__ import annotations

import math
from collections.abc import Callable

_TAIL = 0.025
_STEPS = 40


def paired_interval(worse: int, better: int, windows: int) -> tuple[float, float]:
    """The 95 % interval of the accuracy that is lost between two models asked about the same windows.

    Only windows that one of them gets right and the other wrong tell anything. How many of these are losses
    has the exact interval of a share (Clopper and Pearson, 1934), as in McNemar's exact test.

    Args:
        worse: windows that only the first model gets right.
        better: windows that only the second one gets right.
        windows: that both were asked about.

    Returns:
        lower and upper bound of the share of all windows that is lost; negative where it is gained.
    """
    discordant = worse + better
    if discordant == 0:
        return 0.0, 0.0

    def at_least(share: float) -> float:
        return _binomial(range(worse, discordant + 1), discordant, share)

    def at_most(share: float) -> float:
        return _binomial(range(worse + 1), discordant, share)

    low = 0.0 if worse == 0 else _crossing(lambda share: at_least(share) - _TAIL)
    high = 1.0 if better == 0 else _crossing(lambda share: _TAIL - at_most(share))
    return tuple((2 * share - 1) * discordant / windows for share in (low, high))  # type: ignore[return-value]


def _binomial(counts: range, of: int, share: float) -> float:
    """The probability of any of these counts; in logarithms, since factorials of thousands overflow."""
    if share in (0.0, 1.0):
        return float((0 if share == 0.0 else of) in counts)
    logs = (
        math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        + k * math.log(share) + (of - k) * math.log1p(-share)
        for k in counts
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))


def _crossing(rising: Callable[[float], float]) -> float:
    """Where a function that rises from 0 to 1 is zero."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
