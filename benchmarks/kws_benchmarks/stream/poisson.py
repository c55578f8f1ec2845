"""The exact confidence bound of a rate of rare events."""

from __future__ import annotations

from scipy.special import gammaincinv

NO_EVENTS = 3.0
"""About how many events no event at all leaves possible, at 95 %: -ln 0.05."""


def bound95(events: int, hours: float) -> float:
    """The exact one-sided 95 % upper bound of a Poisson rate.

    The largest rate at which seeing so few events or fewer still has a probability of 5 %: half of the 95 %
    quantile of chi-square with 2 (events + 1) degrees of freedom, divided by the time (Garwood 1936,
    Biometrika 28). That quantile is twice the inverse of the regularised lower incomplete gamma function.

    Args:
        events: seen, at least 0.
        hours: listened to, above 0.

    Returns:
        events per hour.
    """
    return float(gammaincinv(events + 1, 0.95)) / hours
