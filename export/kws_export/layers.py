"""The error that int8 adds in each layer, on real windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from kws_device import InputError
from kws_device._support.native_stderr import quiet_libraries
from kws_device.model.tensors import Quantiser

from .tflite_graph import Operator, operators, output_tensors


@dataclass(frozen=True)
class Layer:
    """An operator of the int8 model. Signal-to-noise ratios: the larger, the better; 6 dB are a bit."""

    number: int
    """In the order they run."""
    operator: str
    """TFLite's kind of it."""
    name: str
    """Of the Keras layers that it does the work of."""
    shape: tuple[int, ...]
    """Of its output."""
    kernel: tuple[int, ...]
    """Shape of its weights; empty where it has none."""
    multiply_adds: int
    """For one window."""
    constant_bytes: int
    """Of weights, biases and other constants."""
    output_bytes: int
    """Of its output."""
    weights_db: float | None
    """The float weights over what rounding changed in them."""
    rounding_db: float
    """The float model's output over what is lost when it alone is put into this layer's int8 tensor."""
    clipped_share: float
    """Of the float model's outputs, those beyond what this int8 tensor can hold."""
    output_db: float
    """The float model's output over its difference to the int8 model's: this layer's doing and that of all
    before it."""


def layers(floating: bytes, int8: bytes, windows: NDArray[np.float32]) -> list[Layer]:
    """Run both TFLite models side by side, by TensorFlow Lite's own kernels, which keep every tensor.

    Args:
        floating: the float model.
        int8: made from the same network.
        windows: normalised mels, shape (n, frames, mels).

    Raises:
        InputError: the models are not made of the same operators.
    """
    ours, theirs = _Traced(int8), _Traced(floating)
    pairs = _pairs(operators(int8), operators(floating))
    heads = {tensor: head for head, tensor in output_tensors(int8).items()}
    sums = [_Sums() for _ in pairs]
    for window in tqdm(windows, desc="layers", leave=False):
        ours.run(window)
        theirs.run(window)
        for sum_, (q, f) in zip(sums, pairs, strict=True):
            exact = theirs.real(f.output)
            sum_.add(exact, ours.real(q.output), ours.as_held(exact, q.output))
    return [
        Layer(
            number=number,
            operator=q.kind,
            name=heads.get(q.name, q.name),
            shape=q.shape,
            kernel=q.kernel_shape,
            multiply_adds=q.multiply_adds,
            constant_bytes=q.constant_bytes,
            output_bytes=int(np.prod(q.shape)),
            weights_db=_weights_db(ours, theirs, q, f),
            rounding_db=_db(sum_.signal, sum_.rounding),
            clipped_share=sum_.clipped / sum_.count,
            output_db=_db(sum_.signal, sum_.noise),
        )
        for number, (sum_, (q, f)) in enumerate(zip(sums, pairs, strict=True), start=1)
    ]


class _Traced:
    """A TFLite model of which every tensor can be read after a run."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with quiet_libraries():
            self._interpreter = Interpreter(
                model_content=content,
                experimental_preserve_all_tensors=True,
                # XNNPACK computes whole stretches at once and keeps nothing of what is in between.
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            self._interpreter.allocate_tensors()
        (self._input,) = (Quantiser(detail) for detail in self._interpreter.get_input_details())
        self._details: dict[int, dict[str, Any]] = {
            detail["index"]: detail for detail in self._interpreter.get_tensor_details()
        }

    def run(self, window: NDArray[np.float32]) -> None:
        """Give it a window, shape (frames, mels)."""
        self._interpreter.set_tensor(self._input.index, self._input.quantise(window)[None])
        self._interpreter.invoke()

    def real(self, index: int) -> NDArray[np.float32]:
        """A tensor as real numbers."""
        return Quantiser(self._details[index]).dequantise(self._interpreter.get_tensor(index))

    def as_held(self, real: NDArray[np.float32], index: int) -> tuple[NDArray[np.float32], int]:
        """Real numbers as a tensor would hold them, and how many lie beyond what it can hold."""
        quantiser = Quantiser(self._details[index])
        held = quantiser.dequantise(quantiser.quantise(real))
        return held, int((np.abs(held - real) > self._details[index]["quantization"][0]).sum())

    def kernel(self, index: int) -> NDArray[np.float64]:
        """Weights as real numbers, each channel by its own scale."""
        weights: NDArray[np.float64] = self._interpreter.get_tensor(index).astype(np.float64)
        channels = self._details[index]["quantization_parameters"]
        if not len(channels["scales"]):
            return weights
        shape = [1] * weights.ndim
        shape[channels["quantized_dimension"]] = -1
        scaled: NDArray[np.float64] = weights * channels["scales"].reshape(shape)
        return scaled


@dataclass
class _Sums:
    """Squares over all windows."""

    signal: float = 0.0
    noise: float = 0.0
    rounding: float = 0.0
    clipped: int = 0
    count: int = 0

    def add(
        self,
        exact: NDArray[np.float32],
        found: NDArray[np.float32],
        held: tuple[NDArray[np.float32], int],
    ) -> None:
        """One window of a layer: the float model's output, int8's, and the float one's in int8's tensor."""
        self.signal += float(np.square(exact, dtype=np.float64).sum())
        self.noise += float(np.square(exact - found, dtype=np.float64).sum())
        self.rounding += float(np.square(exact - held[0], dtype=np.float64).sum())
        self.clipped += held[1]
        self.count += exact.size


def _pairs(int8: list[Operator], floating: list[Operator]) -> list[tuple[Operator, Operator]]:
    """The operators of both models that do the same."""
    ours = [operator for operator in int8 if operator.kind != "QUANTIZE"]
    if [o.kind for o in ours] != [o.kind for o in floating]:
        raise InputError("the int8 model has other operators than the float model; leave out --report")
    return list(zip(ours, floating, strict=True))


def _weights_db(ours: _Traced, theirs: _Traced, q: Operator, f: Operator) -> float | None:
    if q.kernel is None or f.kernel is None:
        return None
    exact = theirs.kernel(f.kernel)
    return _db(float(np.square(exact).sum()), float(np.square(exact - ours.kernel(q.kernel)).sum()))


def _db(signal: float, noise: float) -> float:
    """Ratio of two sums of squares in dB, one decimal; 999 where there is no noise."""
    return round(float(10 * np.log10(signal / noise)), 1) if signal > 0 and noise > 0 else 999.0
