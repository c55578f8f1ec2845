"""Pictures of data and runs, written as PNG without a display."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from kws_device import atomic

from .evaluation import Judgement


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
