"""Plots of data and runs, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kws_device._support import atomic

from ..data.layouts import Clip
from ..data.splits import SPLITS
from .scoring import Judgement

_MELS: dict[str, Any] = {
    "origin": "lower",
    "aspect": "auto",
    "vmin": -2.5,
    "vmax": 2.5,
    "cmap": "magma",
    "interpolation": "nearest",
}
"""How normalised log-mels are drawn."""


def _save(figure: Figure, path: Path) -> None:
    with atomic.replacing(path) as temporary:
        figure.savefig(temporary, dpi=120)


def learning_curves(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Loss, accuracies and learning rate over the epochs of a run's history."""
    figure = Figure(figsize=(9, 6), layout="constrained")
    loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 1))
    epochs = [row["epoch"] for row in rows]
    for axis, ending, title in ((loss, "loss", "loss"), (accuracy, "accuracy", "accuracy")):
        for key in rows[0]:
            if key.endswith(ending) and "/" not in key:
                axis.plot(epochs, [row[key] for row in rows], label=key.replace("_", " "))
        axis.set_ylabel(title)
        axis.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    rate.plot(epochs, [row["learning_rate"] for row in rows], color="grey")
    rate.set_ylabel("learning rate")
    rate.set_xlabel("epoch")
    _save(figure, path)


def confusion(judgement: Judgement, labels: Sequence[str], path: Path) -> None:
    """What was said against what was heard, as shares of what was said, with counts."""
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    for item, predicted in zip(judgement.items, judgement.predicted, strict=True):
        counts[labels.index(item.label), labels.index(predicted)] += 1
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure = Figure(figsize=(7, 6.5), layout="constrained")
    axis = figure.subplots()
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)
    axis.set_xticks(range(len(labels)), labels, rotation=60, ha="right")
    axis.set_yticks(range(len(labels)), labels)
    axis.set_xlabel("heard")
    axis.set_ylabel("said")
    axis.set_title(f"{judgement.head}: {judgement.accuracy:.1%} of {len(judgement.items)}")
    _save(figure, path)


def class_counts(splits: dict[str, dict[str, int]], path: Path) -> None:
    """Clips per class, a bar for each split."""
    labels = sorted({label for counts in splits.values() for label in counts})
    figure = Figure(figsize=(8, max(3, 0.28 * len(labels))), layout="constrained")
    axis = figure.subplots()
    left = np.zeros(len(labels))
    for split, counts in splits.items():
        widths = np.array([counts.get(label, 0) for label in labels])
        axis.barh(labels, widths, left=left, label=split)
        left += widths
    axis.invert_yaxis()
    axis.set_xlabel("clips")
    axis.legend()
    _save(figure, path)


def shared_sources(clips: Sequence[Clip], path: Path) -> None:
    """How many speakers, or source recordings, any two splits share; the diagonal counts each split's own."""
    sources = {split: {clip.source for clip in clips if clip.split == split} for split in SPLITS}
    shared = np.array([[len(sources[a] & sources[b]) for b in SPLITS] for a in SPLITS])
    leak = (shared > 0) & ~np.eye(len(SPLITS), dtype=bool)
    figure = Figure(figsize=(4.5, 4), layout="constrained")
    axis = figure.subplots()
    axis.imshow(leak, cmap="Reds", vmin=0, vmax=1.5)
    for row, column in np.ndindex(shared.shape):
        axis.text(column, row, str(shared[row, column]), ha="center", va="center")
    axis.set_xticks(range(len(SPLITS)), SPLITS)
    axis.set_yticks(range(len(SPLITS)), SPLITS)
    axis.set_title(f"sources in two splits: {int(leak.any()) and int(shared[leak].sum()) // 2}")
    _save(figure, path)


def study_curves(
    histories: Mapping[str, Sequence[dict[str, float]]],
    rates: Mapping[str, tuple[float, float, float]],
    path: Path,
) -> None:
    """Validation accuracies and training loss of several runs over their epochs, and the learning rate.

    Args:
        histories: by the name of the run.
        rates: by the name of the run: lowest and highest rate, epochs from one to the other.
        path: of the picture.
    """
    figure = Figure(figsize=(10, 9), layout="constrained")
    keyword, scene, loss, rate = figure.subplots(4, 1, sharex=True, height_ratios=(2, 2, 2, 1))
    for name, rows in histories.items():
        epochs = [row["epoch"] for row in rows]
        for axis, key in ((keyword, "val_keyword_accuracy"), (scene, "val_scene_accuracy"), (loss, "loss")):
            if key in rows[0]:
                axis.plot(epochs, [row[key] for row in rows], marker=".", label=name)
    longest = max((len(rows), name) for name, rows in histories.items())[1]
    low, high, half_cycle = rates[longest]
    ends = np.arange(0, len(histories[longest]) + half_cycle / 2, half_cycle)
    rate.plot(ends, [low if n % 2 == 0 else high for n in range(len(ends))], color="grey")
    for axis, title in (
        (keyword, "keywords, validation"),
        (scene, "scenes, validation"),
        (loss, "training loss"),
        (rate, "learning rate"),
    ):
        axis.set_ylabel(title)
    for axis in (keyword, scene, loss):
        if axis.lines:
            axis.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    rate.set_xlabel("epoch")
    _save(figure, path)


def mixing_steps(steps: Mapping[str, Sequence[tuple[str, NDArray[np.float32]]]], path: Path) -> None:
    """Normalised log-mels after each step of augmentation and mixing, a row for each dataset."""
    columns = max(len(row) for row in steps.values())
    width, height = 2.6 * columns, 2.4 * len(steps)
    figure = Figure(figsize=(width, height))
    # Room for the labels in inches. A layout that measures so many of them takes seconds.
    margins = {
        "left": 0.8 / width,
        "right": 1 - 0.1 / width,
        "bottom": 0.5 / height,
        "top": 1 - 0.35 / height,
    }
    axes = figure.subplots(
        len(steps), columns, squeeze=False, gridspec_kw={**margins, "wspace": 0.25, "hspace": 0.55}
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for row, (name, shown) in zip(axes, steps.items(), strict=True):
        for axis, (title, mels) in zip(row, shown, strict=False):
            axis.set_axis_on()
            axis.imshow(mels.T, **_MELS)
            axis.set_title(title, fontsize="small")
            axis.set_xlabel("frame", fontsize="x-small")
        row[0].set_ylabel(f"{name}\nmel band", fontsize="small")
    _save(figure, path)


def spectrogram(mels: NDArray[np.float32], path: Path) -> None:
    """Normalised log-mels, shape (frames, mels), without axes, to be set beside others."""
    figure = Figure(figsize=(0.03 * len(mels) + 0.4, 1.3), layout="constrained")
    axis = figure.subplots()
    axis.set_axis_off()
    axis.imshow(mels.T, **_MELS)
    _save(figure, path)
