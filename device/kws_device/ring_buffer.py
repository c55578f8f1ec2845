"""Ring buffers of samples and of frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

_SLACK = 4


class Ring:
    """The last `length` rows that were written, always contiguous to read.

    Rows go into a buffer a few times as long; only when its end is reached are the rows still
    needed moved to its front, so that a write is one copy and a read is a view.
    """

    def __init__(
        self, length: int, row_shape: tuple[int, ...] = (), dtype: DTypeLike = np.float32, fill: ArrayLike = 0
    ) -> None:
        """`fill` is what the ring holds before anything was written, a value or a row."""
        self._length = length
        self._fill = fill
        self._rows: NDArray[Any] = np.empty((_SLACK * length, *row_shape), dtype=dtype)
        self.reset()

    def reset(self) -> None:
        """Forget everything: afterwards the ring equals a new one."""
        self._end = self._length
        self._rows[: self._end] = self._fill

    def write(self, rows: NDArray[Any]) -> None:
        """Append `rows`, shape (n, *row_shape), n at most the ring's length.

        Raises:
            ValueError: more rows than the ring is long.
        """
        n = len(rows)
        if n > self._length:
            raise ValueError(f"{n} rows do not fit a ring of {self._length}")
        if self._end + n > len(self._rows):
            self._rows[: self._length] = self.read()
            self._end = self._length
        self._rows[self._end : self._end + n] = rows
        self._end += n

    def read(self) -> NDArray[Any]:
        """The last `length` rows, oldest first: a view, good until the next write."""
        return self._rows[self._end - self._length : self._end]
