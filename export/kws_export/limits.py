"""The limits of a recipe on what an export may lose, and the check of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kws_device._support.errors import RequirementError
from kws_device._support.schema import build, plain
from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD
from kws_training.recipes.options import override
from kws_training.recipes.parts import ExportLimits

from .files import FLOAT, FLOAT_ONNX, INT8, INT8_ONNX
from .parity import WAYS

_LOSSES = {KEYWORD_HEAD: "keyword_loss_points", SCENE_HEAD: "scene_loss_points"}


def by_hand(texts: Sequence[str]) -> dict[str, Any]:
    """The values of `--limit KEY=VALUE`, by key.

    Raises:
        InputError: not of that form.
    """
    return dict(override(text) for text in texts)


def in_force(limits: ExportLimits, given: dict[str, Any]) -> ExportLimits:
    """The recipe's limits, with those given by hand in their place.

    Raises:
        InputError: a limit that does not exist, or a value that means nothing.
    """
    return build(ExportLimits, plain(limits) | given, "--limit")


def check(figures: dict[str, Any], split: str, limits: ExportLimits) -> None:
    """Hold the parity of one split against the limits.

    Args:
        figures: of `parity.measure`.
        split: named in errors.
        limits: in force.

    Raises:
        RequirementError: a limit is not kept.
    """
    for limit, complaint in _violations(figures, limits):
        raise RequirementError(
            f"{split}: {complaint}; the limit {limit} is {getattr(limits, limit):g}. Nothing was written; "
            f"train longer, or allow it with --limit {limit}=VALUE"
        )


def calls_for_other_calibration(figures: dict[str, Any], limits: ExportLimits) -> bool:
    """Whether all that exceeds the limits is what int8 makes of the numbers that it expects."""
    exceeded = {limit for limit, _ in _violations(figures, limits)}
    return bool(exceeded) and exceeded <= {"int8_agreement", *_LOSSES.values()}


def _violations(figures: dict[str, Any], limits: ExportLimits) -> Iterator[tuple[str, str]]:
    """A limit's name, and what is wrong with it."""
    if figures["sound_windows"] < limits.windows:
        yield "windows", f"there are only {figures['sound_windows']} windows of sound"
    for way in WAYS:
        for name in (FLOAT, FLOAT_ONNX):
            for head, same in figures["files"][name][way]["against_keras"].items():
                if same["largest_difference"] > limits.float_difference:
                    where = f"{name}, {head} head, from {way}"
                    yield "float_difference", f"{where}: a score is off by {same['largest_difference']:g}"
        for name in (INT8, INT8_ONNX):
            for head, same in figures["files"][name][way]["against_keras"].items():
                if same["same_decision"] < limits.int8_agreement:
                    where = f"{name}, {head} head, from {way}"
                    yield "int8_agreement", f"{where}: decides like the model in {same['same_decision']:.2%}"
        for head, same in figures["int8_formats_agree"][way].items():
            if same["same_decision"] < limits.formats_agreement:
                where = f"{INT8} and {INT8_ONNX}, {head} head, from {way}"
                yield "formats_agreement", f"{where}: decide alike in {same['same_decision']:.2%}"
    for name in (INT8, INT8_ONNX):
        for head, loss in figures["files"][name]["numbers"]["lost"].items():
            # A few windows of few are many points, and chance.
            low, high = loss["ci95"]
            if loss["points"] > getattr(limits, _LOSSES[head]) and low > 0:
                interval = f"95 % interval {low:g} to {high:g}"
                yield _LOSSES[head], f"{name}, {head} head: loses {loss['points']:g} points ({interval})"
