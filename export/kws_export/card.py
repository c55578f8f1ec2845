"""The figures of an export as Markdown, for the model card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .files import FLOAT, FLOAT_ONNX, INT8, INT8_ONNX

_HOLDS = {INT8: "int8", INT8_ONNX: "int8, QDQ", FLOAT: "float", FLOAT_ONNX: "float"}


def figures(report: dict[str, Any]) -> str:
    """Sizes, and for each split accuracy and what the files say otherwise than the trained model.

    Args:
        report: the content of export.json.
    """
    return "\n".join([*_files(report), *_by_hand(report), *_parity(report["parity"])]) + "\n"


def _files(report: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{report['model']}: {report['parameters']:,} parameters, {report['multiply_adds']:,} multiply-adds "
        f"a window; int8 calibrated on {report['calibration_windows']} training windows; "
        f"ONNX opset {report['onnx_opset']}."
    )
    yield ""
    yield "| file | holds | kB | hash |"
    yield "|---|---|---|---|"
    for name, file in report["files"].items():
        yield f"| `{name}` | {_HOLDS[name]} | {file['bytes'] / 1000:.0f} | `{file['hash'][:12]}` |"


def _by_hand(report: dict[str, Any]) -> Iterator[str]:
    if given := report["limits_by_hand"]:
        limits = ", ".join(f"{key} = {value}" for key, value in given.items())
        yield from ("", f"Allowed by hand: {limits}.")


def _parity(parity: dict[str, Any]) -> Iterator[str]:
    for split, found in parity.items():
        yield ""
        yield (
            f"On {split}: accuracy on {found['windows']:,} windows given as mels; what is the same as with "
            f"the trained model on {found['sound_windows']:,} decisions of the device on sound."
        )
        yield ""
        yield "| head | file | accuracy | lost, points | n | same decisions | mean difference | largest |"
        yield "|---|---|---|---|---|---|---|---|"
        for head, trained in found["keras"]["numbers"]["accuracy"]["all"].items():
            yield f"| {head} | trained model | {trained['accuracy']:.2%} |  | {trained['n']:,} |  |  |  |"
            for name, file in found["files"].items():
                right, loss = file["numbers"]["accuracy"]["all"][head], file["numbers"]["lost"][head]
                same = file["sound"]["against_keras"][head]
                yield (
                    f"| {head} | `{name}` | {right['accuracy']:.2%} | {loss['points']:+.2f} | {right['n']:,} "
                    f"| {same['same_decision']:.2%} "
                    f"| {same['mean_difference']:.2g} | {same['largest_difference']:.2g} |"
                )
        for head, same in found["int8_formats_agree"]["sound"].items():
            yield ""
            yield f"Both int8 files: {same['same_decision']:.2%} of the {head} head's decisions alike."
