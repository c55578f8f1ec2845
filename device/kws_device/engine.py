"""Runs a model: one window in, the scores of every head out."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .model_file import ModelFile


class Engine(Protocol):
    """What the rest of the device asks of an inference library."""

    def scores(self, window: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Scores by head for one normalised window, shape (frames, mels)."""
        ...


class LiteRtEngine:
    """TFLite models through ai-edge-litert, int8 or float.

    Heads are found by the name of the model's output, never by position: converters permute them.
    """

    def __init__(self, file: ModelFile, threads: int = 1) -> None:
        """Load the model and hold its tensors against its manifest.

        Raises:
            InputError: no inference library, a model it cannot load, or tensors that are not
                those of the manifest.
        """
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise InputError("no inference engine installed; run: pip install ai-edge-litert") from error
        try:
            with _quiet_stderr():
                interpreter = Interpreter(model_content=file.model, num_threads=threads)
                interpreter.allocate_tensors()
            runner = interpreter.get_signature_runner()
            (input_,) = runner.get_input_details().values()
            outputs: dict[str, dict[str, Any]] = runner.get_output_details()
            # The runner keeps views of the tensors, and those forbid invoke().
            del runner
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{file.path}: the model cannot be loaded ({error}); export it again") from error

        manifest = file.manifest
        wanted = {head.name: (1, len(head.labels)) for head in manifest.heads}
        found = {name: tuple(map(int, detail["shape"])) for name, detail in outputs.items()}
        window = (1, manifest.front_end.frames, manifest.front_end.mels)
        if found != wanted or tuple(map(int, input_["shape"])) != window:
            raise InputError(
                f"{file.path}: the manifest does not fit the model: tensors {input_['shape']} -> {found}, "
                f"manifest {window} -> {wanted}; export it again"
            )
        self._interpreter = interpreter
        self._input = _Quantiser(input_)
        self._outputs = {name: _Quantiser(detail) for name, detail in outputs.items()}
        self._buffer = np.empty(window, dtype=input_["dtype"])
        self._values = np.empty(window, dtype=np.float32)

    def scores(self, window: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Scores by head for one normalised window, shape (frames, mels)."""
        self._input.quantise(window, self._values[0], self._buffer[0])
        self._interpreter.set_tensor(self._input.index, self._buffer)
        self._interpreter.invoke()
        return {
            name: output.dequantise(self._interpreter.get_tensor(output.index)[0])
            for name, output in self._outputs.items()
        }


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """The library's C++ greets on the process's stderr, where people expect the kit's own lines alone."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _Quantiser:
    """Real numbers to and from a tensor's own integers: real = scale * (integer - zero_point)."""

    def __init__(self, detail: dict[str, Any]) -> None:
        self.index: int = detail["index"]
        self._dtype = np.dtype(detail["dtype"])
        self._scale, self._zero_point = detail["quantization"]

    def quantise(self, real: NDArray[np.float32], scratch: NDArray[np.float32], out: NDArray[Any]) -> None:
        if self._dtype == np.float32:
            out[:] = real
            return
        limits = np.iinfo(self._dtype)
        np.multiply(real, np.float32(1 / self._scale), out=scratch)
        scratch += np.float32(self._zero_point)
        np.rint(scratch, out=scratch)
        np.clip(scratch, limits.min, limits.max, out=scratch)
        out[:] = scratch

    def dequantise(self, integers: NDArray[Any]) -> NDArray[np.float32]:
        if self._dtype == np.float32:
            return integers
        return (integers.astype(np.float32) - np.float32(self._zero_point)) * np.float32(self._scale)
