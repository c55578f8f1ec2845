"""An embedding that needs no training: averages over time and frequency, enough to tell glides apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from kws_device.front_end import log_mel, silent_frame
from kws_device.model import model_file
from kws_device.model.manifest import EMBEDDING_SCHEMA, Manifest
from kws_device.model.model_file import Embedding, ModelFile
from kws_device.model.taught_words import EMBEDDING_OUTPUT, INT8, EmbeddingConfig
from kws_device.taught_words import unit

CLIP_MS = 1500.0
_STEPS, _GROUPS = 14, 10
SIZE = _STEPS * _GROUPS


def config(bank_hours: float = 1.0) -> EmbeddingConfig:
    return EmbeddingConfig(CLIP_MS, SIZE, 6.0, 4, bank_hours, "", "")


def _averages(manifest: Manifest) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights, shape (frames * mels, SIZE), and biases; digital silence gives zero."""
    frames, mels = 148, manifest.front_end.mels
    weights = np.zeros((frames, mels, _STEPS, _GROUPS), np.float32)
    for step in range(_STEPS):
        for group in range(_GROUPS):
            rows = slice(step * frames // _STEPS, (step + 1) * frames // _STEPS)
            weights[rows, group * mels // _GROUPS : (group + 1) * mels // _GROUPS, step, group] = 0.02
    # What tells words apart is which bands are loud when, not how loud a band or a moment is.
    weights -= weights.mean(axis=2, keepdims=True)
    weights -= weights.mean(axis=3, keepdims=True)
    flat = weights.reshape(frames * mels, SIZE)
    silence = np.tile(silent_frame(manifest.front_end, manifest.normalisation), frames)
    return flat, -(silence @ flat)


def network(manifest: Manifest) -> bytes:
    """The embedding as an ONNX model."""
    weights, biases = _averages(manifest)
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["mels", "shape"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weights", "biases"], [EMBEDDING_OUTPUT]),
        ],
        "embedding",
        [helper.make_tensor_value_info("mels", onnx.TensorProto.FLOAT, [1, 148, manifest.front_end.mels])],
        [helper.make_tensor_value_info(EMBEDDING_OUTPUT, onnx.TensorProto.FLOAT, [1, SIZE])],
        [
            numpy_helper.from_array(np.array([1, len(weights)], np.int64), "shape"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(biases, "biases"),
        ],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()


def bank(manifest: Manifest, talk: Sequence[NDArray[np.float32]]) -> bytes:
    """Embeddings of windows, shape (samples,) each, as a model file carries them."""
    front_end = replace(manifest.front_end, clip_ms=CLIP_MS)
    mels = manifest.normalisation.apply(log_mel(np.stack(talk), front_end))
    weights, biases = _averages(manifest)
    return np.rint(unit(mels.reshape(len(talk), -1) @ weights + biases) * INT8).astype(np.int8).tobytes()


def with_embedding(
    path: Path, talk: Sequence[NDArray[np.float32]], bank_hours: float = 1.0, threshold: float | None = None
) -> ModelFile:
    """The shipped ONNX model with an embedding, written to `path`.

    Args:
        path: of the new file.
        talk: windows of 1.5 s that are no taught word.
        bank_hours: that they stand for.
        threshold: of all keywords; None: the model's own.
    """
    file = model_file.read(model_file.find("kws", ("onnx",)))
    manifest = replace(file.manifest, schema=EMBEDDING_SCHEMA, embedding=config(bank_hours))
    if threshold is not None:
        thresholds = dict.fromkeys(manifest.keywords, threshold)
        manifest = replace(manifest, decoder=replace(manifest.decoder, thresholds=thresholds))
    embedding = Embedding(network(manifest), bank(manifest, talk))
    return model_file.write(path, file.model, manifest, file.verifier, embedding)
