"""What an export may lose: what is chance, and what is beyond it."""

from __future__ import annotations

from typing import Any

import pytest

from kws_device._support.errors import RequirementError
from kws_export import limits
from kws_export.files import FLOAT, FLOAT_ONNX, INT8, INT8_ONNX
from kws_export.intervals import paired_interval
from kws_export.parity import WAYS
from kws_training.cli import schemes

ALLOWED = schemes.load("default").export
SCENES = 217


def figures(worse: int, better: int = 0, same_decision: float = 0.99) -> dict[str, Any]:
    """Of an export that is as good as the model but for the scenes of its int8 files."""
    same = {"scene": {"largest_difference": 0.0, "same_decision": same_decision}}
    low, high = paired_interval(worse, better, SCENES)
    lost = {"scene": {"windows": worse - better, "points": 100 * (worse - better) / SCENES,
                      "ci95": [100 * low, 100 * high]}}  # fmt: skip
    part = {"against_keras": same, "lost": lost}
    files = {name: dict.fromkeys(WAYS, part) for name in (FLOAT, FLOAT_ONNX, INT8, INT8_ONNX)}
    alike = {"scene": {"same_decision": 1.0}}
    return {"sound_windows": 10_000, "files": files, "int8_formats_agree": dict.fromkeys(WAYS, alike)}


def test_four_windows_of_two_hundred_stop_no_export_but_as_many_of_all_that_differ_do():
    limits.check(figures(4), "validation", ALLOWED)
    limits.check(figures(9, better=3), "validation", ALLOWED)
    with pytest.raises(RequirementError, match=r"scene head: loses 2\.76498 points \(95 % interval 0\.2"):
        limits.check(figures(6), "validation", ALLOWED)
    with pytest.raises(RequirementError, match="scene_loss_points"):
        limits.check(figures(30, better=10), "validation", ALLOWED)


def test_a_loss_within_the_limit_is_no_matter_however_sure_it_is():
    assert paired_interval(60, 0, 100_000)[0] > 0
    wide = {**figures(0)}
    for name in (INT8, INT8_ONNX):
        lost = {"scene": {"windows": 60, "points": 0.06, "ci95": [0.05, 0.06]}}
        wide["files"][name] = {way: {**wide["files"][name][way], "lost": lost} for way in WAYS}
    limits.check(wide, "validation", ALLOWED)


def test_only_what_int8_loses_calls_for_another_calibration():
    assert not limits.calls_for_other_calibration(figures(0), ALLOWED)
    assert limits.calls_for_other_calibration(figures(30), ALLOWED)
    assert limits.calls_for_other_calibration(figures(0, same_decision=0.5), ALLOWED)
    assert not limits.calls_for_other_calibration(figures(30) | {"sound_windows": 1}, ALLOWED)


@pytest.mark.parametrize(
    ("worse", "better", "low", "high"),
    [(0, 0, 0.0, 0.0), (8, 2, -0.0112, 0.0949), (2, 8, -0.0949, 0.0112), (5, 5, -0.0626, 0.0626)],
)
def test_the_interval_is_the_exact_one_of_the_windows_that_differ(worse, better, low, high):
    # Clopper and Pearson: 8 of 10 are 0.4439 to 0.9748, 5 of 10 are 0.1871 to 0.8129.
    assert paired_interval(worse, better, 100) == pytest.approx((low, high), abs=1e-4)
    assert paired_interval(worse * 1000, better * 1000, 10**6)[0] <= (worse - better) / 1000
