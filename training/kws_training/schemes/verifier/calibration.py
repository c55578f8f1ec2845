"""Calibrates a verifier's log-odds on validation, and chooses its threshold."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_device import InputError

from .validation import Predict, Validation, threshold

FIRST_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Tried for the first network's log-odds beside the verifier's."""
_STEPS = 50
_RIDGE = 1e-3
_SCALE = (0.05, 20.0)


@dataclass(frozen=True)
class Calibration:
    """From log-odds to a score: sigmoid(scale * (verifier + first_weight * first) + offset)."""

    first_weight: float
    scale: float
    offset: float
    threshold: float
    """The score above which a candidate is an event, 0 to 1."""


def shown_rate(hours: float, rate_per_hour: float) -> float:
    """The rate that thresholds can be tuned to: the wanted one, or one false accept in all of the hours.

    Args:
        hours: of mined validation sound.
        rate_per_hour: of false accepts, as wanted.

    Returns:
        a rate at which at least one false accept is allowed; higher than the wanted one where the hours are
        too few for it, which is told on standard error.

    Raises:
        InputError: no hours, or a rate that is not above zero.
    """
    if not hours > 0 or not rate_per_hour > 0:
        raise InputError(f"{rate_per_hour:g} false accepts per hour in {hours:g} h: both must be above zero")
    if hours * rate_per_hour >= 1:
        return rate_per_hour
    print(
        f"{rate_per_hour:g} false accepts per hour cannot be told in {hours:.2f} h of mined sound: it takes "
        f"{1 / rate_per_hour:.1f} h, and {3 / rate_per_hour:.1f} h to bound it; "
        f"thresholds are tuned to {1 / hours:.1f} an hour",
        file=sys.stderr,
    )
    return 1 / hours


def calibrated(validation: Validation, predict: Predict, rate_per_hour: float) -> Calibration:
    """Choose the first network's weight by recall, fit scale and offset, set the threshold for a rate.

    Args:
        validation: words and false candidates.
        predict: the verifier.
        rate_per_hour: of false accepts at the threshold (`shown_rate`).
    """
    weight = max(FIRST_WEIGHTS, key=lambda of: (round(validation.recall(predict, of), 3), -of))
    said = validation.said.log_odds(predict, weight)
    false = validation.false.log_odds(predict, weight)
    scale, offset = platt(said, false)
    at = threshold(false, validation.hours, rate_per_hour)
    score = float(1 / (1 + np.exp(-(scale * at + offset))))
    return Calibration(weight, round(scale, 4), round(offset, 4), round(min(max(score, 0.0), 1.0), 4))


def platt(said: NDArray[np.float64], false: NDArray[np.float64]) -> tuple[float, float]:
    """Scale and offset of a logistic regression that tells two piles of log-odds apart, both counting alike.

    Newton's method with a slight ridge, so that piles that do not overlap have a finite answer.
    Source: Platt, "Probabilistic outputs for support vector machines", 1999.
    """
    x = np.stack([np.concatenate([said, false]), np.ones(len(said) + len(false))], axis=1)
    y = np.repeat([1.0, 0.0], [len(said), len(false)])
    counts = np.repeat([0.5 / max(1, len(said)), 0.5 / max(1, len(false))], [len(said), len(false)])
    fit = np.array([1.0, 0.0])
    centre = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ fit, -30, 30)))
        gradient = x.T @ (counts * (p - y)) + _RIDGE * (fit - centre)
        curvature = (x * (counts * p * (1 - p))[:, None]).T @ x + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        fit -= np.clip(step, -1, 1)
    return float(np.clip(fit[0], *_SCALE)), float(fit[1])
