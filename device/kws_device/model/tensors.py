"""Conversions of a model's tensors: quantised integers to real numbers, logits to scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.errors import InputError


def scores_of(values: NDArray[np.float32], softmax: bool, where: str) -> NDArray[np.float32]:
    """The scores of a head, shape (labels,): `values` themselves, or with `softmax` theirs.

    Raises:
        InputError: a value is not finite, so that no threshold would mean anything; `where` names the head.
    """
    if not np.isfinite(values).all():
        raise InputError(f"{where} gives values that are not finite; export the model again")
    return softmax_of(values) if softmax else values


def softmax_of(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """exp(x) / sum(exp(x)), shape (labels,).

    In double precision, whose last bits, in which processors differ, rounding takes away.
    """
    exponentials: NDArray[np.float64] = np.exp(logits.astype(np.float64) - logits.max())
    exponentials /= np.add.reduce(exponentials)
    return exponentials.astype(np.float32)


class Quantiser:
    """Real numbers to and from a tensor's own integers: real = scale * (integer - zero_point)."""

    def __init__(self, detail: dict[str, Any]) -> None:
        """`detail` is what TFLite tells of the tensor."""
        self.index: int = detail["index"]
        self._dtype = np.dtype(detail["dtype"])
        scale, zero_point = detail["quantization"]
        self._scale, self._zero_point = np.float32(scale), np.float32(zero_point)
        if self._dtype == np.float32:
            return
        limits = np.iinfo(self._dtype)
        self._least, self._most = np.float32(limits.min), np.float32(limits.max)
        self._per_scale = np.float32(1 / self._scale)

    def quantise(self, real: NDArray[np.float32]) -> NDArray[Any]:
        """Rounded and limited to what the tensor holds; a float tensor holds the numbers as they are."""
        if self._dtype == np.float32:
            return real
        scaled = real * self._per_scale
        scaled += self._zero_point
        np.rint(scaled, out=scaled)
        np.maximum(scaled, self._least, out=scaled)
        np.minimum(scaled, self._most, out=scaled)
        return scaled.astype(self._dtype)

    def dequantise(self, integers: NDArray[Any]) -> NDArray[np.float32]:
        """The reverse."""
        if self._dtype == np.float32:
            return integers
        real: NDArray[np.float32] = np.subtract(integers, self._zero_point, dtype=np.float32)
        real *= self._scale
        return real


class Output:
    """From a head's tensor to its scores."""

    def __init__(self, detail: dict[str, Any], softmax: bool, where: str) -> None:
        """`detail` is what TFLite tells of the tensor.

        With `softmax` it holds logits; `where` names the head in errors.
        """
        self._where = where
        self._quantiser = Quantiser(detail)
        self.index = self._quantiser.index
        self._softmax = softmax
        self._exponentials: NDArray[np.float64] | None = None
        if softmax and detail["dtype"] is np.int8:
            # Of every logit that there is, in the order of its bits: the one largest cannot overflow,
            # and in double precision the smallest does not vanish.
            integers = np.arange(256, dtype=np.uint8).view(np.int8).astype(np.float64)
            self._exponentials = np.exp((integers - 127) * detail["quantization"][0])
            # A product with ones is the fastest sum of so few numbers.
            self._ones = np.ones(detail["shape"][-1])

    def scores(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Of the tensor's values, shape (labels,). Raises InputError as `scores_of`."""
        if self._exponentials is not None:
            exponentials = self._exponentials.take(values.view(np.uint8))
            exponentials /= self._ones.dot(exponentials)
            return exponentials.astype(np.float32)
        return scores_of(self._quantiser.dequantise(values), self._softmax, self._where)
