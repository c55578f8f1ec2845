"""Selects the charts of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from ..robustness.evaluate import Result
from ..robustness.published_baselines import CLEAN
from . import charts
from .chart import Chart
from .charts import Curve, Figure, Row

HEADS = {KEYWORD_HEAD: "Words", SCENE_HEAD: "Scenes"}
_CONDITIONS = {
    "clean": "clean",
    "gain+20": "20 dB louder, clipped",
    "gain-20": "20 dB quieter",
    "band": "telephone band",
    "room": "rooms with an echo",
    "shift50": "shifted by up to 50 ms",
    "shift100": "shifted by up to 100 ms",
    "mel60:40": "spectrograms 60 : 40",
    "mel50:50": "spectrograms 50 : 50",
}
"""What is not a curve over signal-to-noise ratios, from top to bottom."""


def sets_of(result: Result) -> dict[str, dict[str, Any]]:
    """A report's sets by name."""
    return {entry["set"]: entry for entry in result.report["sets"]}


def _curve(series: int, name: str, result: Result, head: str, background: str) -> Iterable[Curve]:
    figures: dict[float, Figure] = {}
    for entry in result.report["sets"]:
        if head in entry and entry.get("with") == background and entry["kind"] == "waveform":
            figures[entry["snr_db"]] = entry[head]
    clean = sets_of(result)["clean"]
    # Scenes alone are other windows than words with scenes under them.
    if figures and head == KEYWORD_HEAD and head in clean:
        figures[CLEAN] = clean[head]
    return [Curve(name, figures, series)] if figures else []


def of_one(result: Result) -> dict[str, Chart]:
    """The charts of a single model, by what their files are called."""
    found: dict[str, Chart] = {}
    curves = [
        curve
        for n, name in enumerate(("scenes", "noise"))
        for curve in _curve(n, f"with {name}", result, KEYWORD_HEAD, name)
    ]
    if curves:
        found["accuracy"] = charts.against_noise("Words in scenes and in noise", curves, with_anchors=True)
    if scenes := list(_curve(0, "scenes", result, SCENE_HEAD, "scenes")):
        found["scenes"] = charts.against_noise("Scenes behind words", scenes, with_anchors=False)
    sets = sets_of(result)
    heads = [head for head in HEADS if head in sets["clean"]]
    rows = [
        Row(text, [sets[name].get(head) for head in heads])
        for name, text in _CONDITIONS.items()
        if name in sets
    ]
    guides = [sets["clean"][head]["accuracy"] for head in heads]
    found["conditions"] = charts.conditions(
        "Microphones, rooms, places, and the study's mixtures",
        [HEADS[h].lower() for h in heads],
        rows,
        guides,
    )
    hardest = _hardest(sets)
    for head in heads:
        labels = result.manifest.labels[head]
        found[f"classes_{head}"] = _classes(HEADS[head], sets, head, hardest)
        found[f"confusion_{head}"] = charts.confusion(
            f"{HEADS[head]}, clean", labels, result.confusions["clean", head]
        )
    return found


def _hardest(sets: Mapping[str, dict[str, Any]]) -> str | None:
    """The set with scenes at 0 dB, or at the ratio next to it."""
    mixed = [e for e in sets.values() if e["kind"] == "waveform" and e["with"] == "scenes"]
    return min(mixed, key=lambda entry: abs(entry["snr_db"]))["set"] if mixed else None


def _classes(title: str, sets: Mapping[str, dict[str, Any]], head: str, hardest: str | None) -> Chart:
    clean = sets["clean"][head]["per_class"]
    series, noisy = ["clean"], {}
    if hardest is not None and head in sets[hardest]:
        series.append(f"with scenes at {sets[hardest]['snr_db']:g} dB")
        noisy = sets[hardest][head]["per_class"]
    return charts.classes(title, series, [Row(label, [f, noisy.get(label)]) for label, f in clean.items()])


def of_several(results: Mapping[str, Result]) -> dict[str, Chart]:
    """The charts of models side by side."""
    found: dict[str, Chart] = {}
    for head, background in ((KEYWORD_HEAD, "scenes"), (KEYWORD_HEAD, "noise"), (SCENE_HEAD, "scenes")):
        curves = [
            curve
            for n, (name, result) in enumerate(results.items())
            for curve in _curve(n, name, result, head, background)
        ]
        if curves:
            key = "accuracy" if head == KEYWORD_HEAD else "scene_accuracy"
            title = f"{HEADS[head]} with {background} under them"
            title = title if head == KEYWORD_HEAD else "Scenes behind words"
            found[f"{key}_{background}"] = charts.against_noise(title, curves, head == KEYWORD_HEAD)
    for head, title in HEADS.items():
        rows = [
            Row(text, [sets_of(result).get(name, {}).get(head) for result in results.values()])
            for name, text in _CONDITIONS.items()
        ]
        rows = [row for row in rows if any(row.figures)]
        if rows:
            found[f"conditions_{head}"] = charts.conditions(
                f"{title}: microphones, rooms, places, and the study's mixtures", list(results), rows, []
            )
    return found
