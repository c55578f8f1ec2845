"""A dataset's training split, as batches of normalised log-mels with their labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kws_device.front_end import Normalisation

from ...signal.mixing import fit_frames
from .features import Features

Batch = NDArray[np.float32]


@dataclass(frozen=True)
class Examples:
    """One dataset's training split."""

    features: Features
    labels: NDArray[np.float32]
    """One-hot, shape (clips, labels)."""
    normalisation: Normalisation
    frames: int
    """Length to which every example is brought before it is augmented."""

    def draw(self, indices: NDArray[np.int64], rng: np.random.Generator) -> tuple[Batch, Batch]:
        """Normalised log-mels, shape (n, frames, mels), and labels, shape (n, labels)."""
        clips = [fit_frames(self.features.clip(int(i))[None], self.frames, rng)[0] for i in indices]
        return self.normalisation.apply(np.stack(clips)), self.labels[indices]
