"""Training on several accelerators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from numpy.typing import NDArray

from kws_device import InputError

Arrays = dict[str, NDArray[np.float32]]
Validation = tuple[NDArray[np.float32], Arrays, Arrays]
"""The network's input, and by head its targets and their weights, the first axis alike."""


@contextmanager
def all_devices(batch_size: int) -> Iterator[int]:
    """Let models that are built inside have each batch computed by all devices (data parallelism).

    Keras' distribution API does this with JAX; other backends use their first device.

    Yields:
        the number of devices.

    Raises:
        InputError: the batch cannot be divided among the devices.
    """
    devices = keras.distribution.list_devices() if keras.backend.backend() == "jax" else []
    if len(devices) < 2:
        yield 1
        return
    if batch_size % len(devices):
        raise InputError(
            f"optimisation.batch_size {batch_size}: cannot be divided among {len(devices)} devices; "
            "--set another one"
        )
    # All devices are this process's own: there is no dataset to be divided among processes.
    shared = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    keras.distribution.set_distribution(shared)
    try:
        yield len(devices)
    finally:
        keras.distribution.set_distribution(None)


def divisible(validation: Validation, devices: int) -> Validation:
    """The same with windows that count for nothing, so that all devices get as many."""

    def padded(array: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.pad(array, [(0, -len(array) % devices), *[(0, 0)] * (array.ndim - 1)])

    mels, targets, weights = validation
    return (
        padded(mels),
        {head: padded(array) for head, array in targets.items()},
        {head: padded(array) for head, array in weights.items()},
    )
