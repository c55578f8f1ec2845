"""Inference engines: one window in, the scores of every head out."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .._support.errors import InputError
from .._support.native_stderr import quiet_libraries
from . import onnx_graph, tflite_graph
from .containers import ONNX, TFLITE
from .model_file import ModelFile
from .networks import Network, embedding_network, first_network, second_network
from .tensors import Output, Quantiser, scores_of


class Engine(Protocol):
    """What the rest of the device asks of an inference library.

    In two steps, so that a frame is prepared once and not again in every window that holds it.
    """

    def prepare(self, frames: NDArray[np.float32]) -> NDArray[Any]:
        """Normalised frames, shape (n, mels), as the model's input holds them: quantised, say."""
        ...

    def run(self, window: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Scores by head for a window of prepared frames, shape (frames, mels).

        Raises:
            InputError: the model gives values that are not finite.
        """
        ...

    def scores(self, window: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Scores by head for one normalised window, shape (frames, mels)."""
        return self.run(self.prepare(window))


class TfliteEngine(Engine):
    """TFLite models, int8 or float, through ai-edge-litert or its predecessor tflite-runtime.

    Heads are found by the name of the model's output, never by position: converters permute them.
    """

    def __init__(self, network: Network, interpreter: Callable[..., Any], threads: int = 1) -> None:
        """Load the model and hold its tensors against its manifest.

        Args:
            network: of a .tflite.
            interpreter: the library's class of that name.
            threads: to compute with.

        Raises:
            InputError: a model that cannot be loaded, or tensors that are not those of the manifest.
        """
        try:
            with quiet_libraries():
                model = interpreter(model_content=network.content, num_threads=threads)
                model.allocate_tensors()
            runner = model.get_signature_runner()
            (input_,) = runner.get_input_details().values()
            outputs: dict[str, dict[str, Any]] = runner.get_output_details()
            # The runner keeps views of the tensors, and those forbid invoke().
            del runner
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{network.path}: the model cannot be loaded ({error}); export it again"
            ) from error
        found = {name: tuple(map(int, detail["shape"])) for name, detail in outputs.items()}
        _check_tensors(network, tuple(map(int, input_["shape"])), found)
        self._interpreter = model
        self._input = Quantiser(input_)
        self._outputs = {
            name: Output(detail, network.softmax[name], network.place(name))
            for name, detail in outputs.items()
        }

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

    def __init__(self, network: Network, runtime: Any, threads: int = 1) -> None:
        """Load the model and hold its tensors against its manifest.

        Args:
            network: of an .onnx.
            runtime: the module onnxruntime.
            threads: to compute with.

        Raises:
            InputError: a model that cannot be loaded, or tensors that are not those of the manifest.
        """
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # ONNX Runtime's int8 kernels saturate on x86 without VNNI, which moves scores by up to 0.2. Computed
        # with the real numbers that the integers stand for, they are the same on every processor.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        options.log_severity_level = 3  # errors; its warnings are about machines it was not built for
        try:
            session = runtime.InferenceSession(network.content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own kinds, without a common parent
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(
                f"{network.path}: the model cannot be loaded ({reason}); export it again"
            ) from error
        inputs = [tuple(tensor.shape) for tensor in session.get_inputs()]
        found = {tensor.name: tuple(tensor.shape) for tensor in session.get_outputs()}
        _check_tensors(network, inputs[0] if len(inputs) == 1 else (), found)
        self._session = session
        self._names = list(network.softmax)
        self._heads = [(name, softmax, network.place(name)) for name, softmax in network.softmax.items()]
        self._input: str = session.get_inputs()[0].name

    def prepare(self, frames: NDArray[np.float32]) -> NDArray[Any]:
        """See Engine. The model itself quantises, if it does."""
        return frames

    def run(self, window: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """See Engine."""
        answers = self._session.run(self._names, {self._input: window[None]})
        return {
            name: scores_of(values[0], softmax, place)
            for (name, softmax, place), values in zip(self._heads, answers, strict=True)
        }


_Loader = Callable[[Network, int], Engine]


def _litert() -> _Loader:
    from ai_edge_litert.interpreter import Interpreter

    return lambda network, threads: TfliteEngine(network, Interpreter, threads)


def _tflite_runtime() -> _Loader:
    from tflite_runtime.interpreter import Interpreter

    return lambda network, threads: TfliteEngine(network, Interpreter, threads)


def _onnxruntime() -> _Loader:
    import onnxruntime

    return lambda network, threads: OnnxEngine(network, onnxruntime, threads)


ENGINES: dict[str, dict[str, Callable[[], _Loader]]] = {
    TFLITE: {"ai-edge-litert": _litert, "tflite-runtime": _tflite_runtime},
    ONNX: {"onnxruntime": _onnxruntime},
}
"""By the kind of model: the packages that run it, the first that can be imported being taken."""


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
    """The engine of a model's first network.

    Args:
        file: the model.
        name: of the package that is to run it; None: the first that can be imported.
        threads: to compute with.

    Raises:
        InputError: no such engine, none installed, one that cannot be imported, or a model that it
            cannot load.
    """
    return _load(first_network(file), name, threads)


def load_verifier(file: ModelFile, name: str | None = None, threads: int = 1) -> Engine | None:
    """The engine of a model's verifier, None where it has none. Arguments and errors as `load_engine`."""
    network = second_network(file)
    return None if network is None else _load(network, name, threads)


def load_embedding(file: ModelFile, name: str | None = None, threads: int = 1) -> Engine | None:
    """The engine of a model's embedding, None where it has none. Arguments and errors as `load_engine`."""
    network = embedding_network(file)
    return None if network is None else _load(network, name, threads)


def import_engine(path: Path, kind: str, name: str | None = None) -> Callable[[Network, int], Engine]:
    """What loads networks: the first engine for their kind that can be imported.

    Args:
        path: of the model file, named in errors.
        kind: containers.TFLITE or containers.ONNX.
        name: of the package; None: the first that can be imported.

    Raises:
        InputError: no such engine, none installed, or one that cannot be imported.
    """
    known = ENGINES[kind]
    if name is not None and name not in known:
        raise InputError(f"--engine {name}: does not run {path.name}; {' or '.join(known)} does")
    broken = []
    for package in known if name is None else [name]:
        if not _is_installed(package):
            continue
        try:
            return known[package]()
        except Exception as error:  # a library built for another system or NumPy raises many kinds
            broken.append(f"{package} is installed but cannot be imported ({error})")
    if broken:
        raise InputError(f"{path}: {'; '.join(broken)}; install the engine again, or choose --engine")
    wanted = name or next(iter(known))
    raise InputError(f"{path}: no inference engine installed for it; run: pip install {wanted}")


def _load(network: Network, name: str | None, threads: int) -> Engine:
    load = import_engine(network.path, network.kind, name)
    _check_graph(network)
    return load(network, threads)


def _check_graph(network: Network) -> None:
    """Raises InputError for a network that no inference library should be given."""
    check = {TFLITE: tflite_graph.check, ONNX: onnx_graph.check}[network.kind]
    try:
        check(network.content)
    except ValueError as error:
        raise InputError(
            f"{network.path}: the model is damaged, or no keyword model ({error}); export it again"
        ) from error


def _check_tensors(network: Network, window: tuple[Any, ...], outputs: dict[str, tuple[Any, ...]]) -> None:
    """Raises InputError where the shapes of the input and of the outputs are not the manifest's."""
    wanted = {name: (1, labels) for name, labels in network.labels.items()}
    shape = (1, network.frames, network.mels)
    if outputs != wanted or window != shape:
        raise InputError(
            f"{network.path}: the manifest does not fit the model: tensors {window} -> {outputs}, "
            f"manifest {shape} -> {wanted}; export it again"
        )
