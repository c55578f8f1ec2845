"""The option --require: lowest accuracies that a report must reach."""

from __future__ import annotations

from typing import Any

from kws_device import InputError


def shortfalls(report: dict[str, Any], requirements: dict[str, float]) -> list[str]:
    """What falls short of `--require`, a sentence each.

    Requirements are keyword accuracies by set; `scene-` before it asks for the scene head.
    snr10 means 10 dB with scenes and, where it was measured, with noise.

    Raises:
        InputError: a set that was not measured.
    """
    measured: dict[str, list[tuple[str, float]]] = {}
    for entry in report["sets"]:
        name = entry["set"]
        for head, prefix in (("keyword", ""), ("scene", "scene-")):
            if head in entry:
                figure = (prefix + name, entry[head]["accuracy"])
                measured.setdefault(prefix + name, []).append(figure)
                if name.endswith("-noise"):
                    measured.setdefault(prefix + name.removesuffix("-noise"), []).append(figure)
    lines = []
    for name, least in requirements.items():
        if name not in measured:
            raise InputError(f"--require {name}: not measured; there are {', '.join(sorted(measured))}")
        lines += [
            f"{full}: {accuracy:.4f} is below {least:g}"
            for full, accuracy in measured[name]
            if accuracy < least
        ]
    return lines
