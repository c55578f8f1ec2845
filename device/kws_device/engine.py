"""Runs a model: one window in, the scores of every head out."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .containers import ONNX, TFLITE
from .errors import InputError
from .model_file import ModelFile
from .quiet import quiet_libraries
from .tensors import Output, Quantiser, softmax_of


class Engine(Protocol):
    """What the rest of the device asks of an inference library.

    In two steps, so that a frame is prepared once and not again in every window that holds it.
    """

    def prepare(self, frames: NDArray[np.float32]) -> NDArray[Any]:
        """Normalised frames, shape (n, mels), as the model's input holds them: quantised, say."""
        ...

    def run(self, window: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Scores by head for a window of prepared frames, shape (frames, mels)."""
        ...

    def scores(self, window: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Scores by head for one normalised window, shape (frames, mels)."""
        return self.run(self.prepare(window))


class TfliteEngine(Engine):
    """TFLite models, int8 or float, through ai-edge-litert or its predecessor tflite-runtime.

    Heads are found by the name of the model's output, never by position: converters permute them.
    """

    def __init__(self, file: ModelFile, interpreter: Callable[..., Any], threads: int = 1) -> None:
        """Load the model and hold its tensors against its manifest.

        Args:
            file: a .tflite.
            interpreter: the library's class of that name.
            threads: to compute with.

        Raises:
            InputError: a model that cannot be loaded, or tensors that are not those of the manifest.
        """
        try:
            with quiet_libraries():
                model = interpreter(model_content=file.model, num_threads=threads)
                model.allocate_tensors()
            runner = model.get_signature_runner()
            (input_,) = runner.get_input_details().values()
            outputs: dict[str, dict[str, Any]] = runner.get_output_details()
            # The runner keeps views of the tensors, and those forbid invoke().
            del runner
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{file.path}: the model cannot be loaded ({error}); export it again") from error
        found = {name: tuple(map(int, detail["shape"])) for name, detail in outputs.items()}
        _check_tensors(file, tuple(map(int, input_["shape"])), found)
        self._interpreter = model
        self._input = Quantiser(input_)
        softmax = {head.name: head.softmax for head in file.manifest.heads}
        self._outputs = {name: Output(detail, softmax[name]) for name, detail in outputs.items()}

    def prepare(self, frames: NDArray[np.float32]) -> NDArray[Any]:
        """See Engine."""
        return self._input.quantise(frames)

    def run(self, window: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """See Engine."""
        self._interpreter.set_tensor(self._input.index, window[None])
        self._interpreter.invoke()
        return {
            name: output.scores(self._interpreter.get_tensor(output.index)[0])
            for name, output in self._outputs.items()
        }


class OnnxEngine(Engine):
    """ONNX models, float or quantised (QDQ), through ONNX Runtime; real numbers in and out."""

    def __init__(self, file: ModelFile, runtime: Any, threads: int = 1) -> None:
        """Load the model and hold its tensors against its manifest.

        Args:
            file: an .onnx.
            runtime: the module onnxruntime.
            threads: to compute with.

        Raises:
            InputError: a model that cannot be loaded, or tensors that are not those of the manifest.
        """
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; its warnings are about machines it was not built for
        try:
            session = runtime.InferenceSession(file.model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own kinds, without a common parent
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{file.path}: the model cannot be loaded ({reason}); export it again"
            ) from error
        inputs = [tuple(tensor.shape) for tensor in session.get_inputs()]
        found = {tensor.name: tuple(tensor.shape) for tensor in session.get_outputs()}
        _check_tensors(file, inputs[0] if len(inputs) == 1 else (), found)
        self._session = session
        self._heads = [(head.name, head.softmax) for head in file.manifest.heads]
        self._names = [name for name, _ in self._heads]
        self._input: str = session.get_inputs()[0].name

    def prepare(self, frames: NDArray[np.float32]) -> NDArray[Any]:
        """See Engine. The model itself quantises, if it does."""
        return frames

    def run(self, window: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """See Engine."""
        answers = self._session.run(self._names, {self._input: window[None]})
        return {
            name: softmax_of(values[0]) if softmax else values[0]
            for (name, softmax), values in zip(self._heads, answers, strict=True)
        }


def _litert(file: ModelFile, threads: int) -> Engine:
    from ai_edge_litert.interpreter import Interpreter

    return TfliteEngine(file, Interpreter, threads)


def _tflite_runtime(file: ModelFile, threads: int) -> Engine:
    from tflite_runtime.interpreter import Interpreter

    return TfliteEngine(file, Interpreter, threads)


def _onnxruntime(file: ModelFile, threads: int) -> Engine:
    import onnxruntime

    return OnnxEngine(file, onnxruntime, threads)


ENGINES: dict[str, dict[str, Callable[[ModelFile, int], Engine]]] = {
    TFLITE: {"ai-edge-litert": _litert, "tflite-runtime": _tflite_runtime},
    ONNX: {"onnxruntime": _onnxruntime},
}
"""By the kind of model: the packages that run it, the first that is installed being taken."""


def kinds(name: str | None = None) -> list[str]:
    """The kinds of model that an installed engine runs, or that the engine `name` runs, the best first.

    Where none is installed, all kinds: `load_engine` will tell what to install.
    """
    wanted = {
        kind: [package for package in packages if name in (None, package)]
        for kind, packages in ENGINES.items()
    }
    there = [kind for kind, packages in wanted.items() if any(map(_is_installed, packages))]
    return there or [kind for kind, packages in wanted.items() if packages] or list(ENGINES)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package.replace("-", "_")) is not None


def load_engine(file: ModelFile, name: str | None = None, threads: int = 1) -> Engine:
    """The engine for a model.

    Args:
        file: the model.
        name: of the package that is to run it; None: the first that is installed.
        threads: to compute with.

    Raises:
        InputError: no such engine, none installed, or a model that it cannot load.
    """
    known = ENGINES[file.kind or TFLITE]
    if name is not None and name not in known:
        raise InputError(f"--engine {name}: does not run {file.path.name}; {' or '.join(known)} does")
    for package in known if name is None else [name]:
        try:
            return known[package](file, threads)
        except ImportError:
            continue
    wanted = name or next(iter(known))
    raise InputError(f"{file.path}: no inference engine installed for it; run: pip install {wanted}")


def _check_tensors(file: ModelFile, window: tuple[Any, ...], heads: dict[str, tuple[Any, ...]]) -> None:
    """Raises InputError where the shapes of the input and of the heads are not the manifest's."""
    manifest = file.manifest
    wanted = {head.name: (1, len(head.labels)) for head in manifest.heads}
    shape = (1, manifest.front_end.frames, manifest.front_end.mels)
    if heads != wanted or window != shape:
        raise InputError(
            f"{file.path}: the manifest does not fit the model: tensors {window} -> {heads}, "
            f"manifest {shape} -> {wanted}; export it again"
        )
