"""Throughput of the input pipeline and of the training step."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras
import numpy as np
from tqdm import tqdm

_FEWEST = 16
"""Batches of an epoch that are trained together with the pipeline; fewer would measure how it starts."""


def measure(
    batches: keras.utils.PyDataset, model: keras.Model, batch_size: int, seconds: float
) -> dict[str, float]:
    """Examples per second, one number after the other in one process.

    Args:
        batches: of one epoch.
        model: compiled, for these batches.
        batch_size: examples of a batch.
        seconds: to measure each for.

    Returns:
        `pipeline` alone, the model's `step` alone on one batch again and again, and `together` as in
        training, where the pipeline works beside the step.
    """
    batch = batches[0]
    model.fit(_Again(batch, 2), verbose=0)  # traces and compiles
    step_s = _time(lambda: model.fit(_Again(batch, 8), verbose=0), seconds, "step") / 8
    turn = iter(int(i) for i in np.tile(np.arange(len(batches)), 10_000))
    pipeline_s = _time(lambda: batches[next(turn)], seconds, "pipeline")
    count = min(len(batches), max(_FEWEST, round(seconds / max(step_s, pipeline_s))))
    part = _Part(batches, count)
    part_s = _time(lambda: model.fit(part, shuffle=False, verbose=0), seconds, "together")
    return {
        "pipeline": batch_size / pipeline_s,
        "step": batch_size / step_s,
        "together": batch_size * count / part_s,
    }


class _Again(keras.utils.PyDataset):  # type: ignore[misc]
    """One batch, so many times."""

    def __init__(self, batch: object, times: int) -> None:
        super().__init__()
        self._batch, self._times = batch, times

    def __len__(self) -> int:
        return self._times

    def __getitem__(self, index: int) -> object:
        return self._batch


class _Part(keras.utils.PyDataset):  # type: ignore[misc]
    """The first batches of an epoch."""

    def __init__(self, batches: keras.utils.PyDataset, count: int) -> None:
        super().__init__(
            workers=batches.workers,
            use_multiprocessing=batches.use_multiprocessing,
            max_queue_size=batches.max_queue_size,
        )
        self._batches, self._count = batches, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> object:
        return self._batches[index]


def _time(call: Callable[[], object], seconds: float, what: str) -> float:
    """Seconds of one call, over at least `seconds` and one call, after one that does not count."""
    call()
    calls, start = 0, time.perf_counter()
    with tqdm(desc=what, unit="call", leave=False) as bar:
        while calls == 0 or time.perf_counter() - start < seconds:
            call()
            calls += 1
            bar.update()
    return (time.perf_counter() - start) / calls
