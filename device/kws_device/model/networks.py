"""The networks of a model file, and what their tensors must be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .containers import TFLITE, kind
from .manifest import VERIFIER_OUTPUT
from .model_file import ModelFile
from .taught_words import EMBEDDING_OUTPUT


@dataclass(frozen=True)
class Network:
    """One of a model file's networks, and what its tensors must be."""

    path: Path
    """Of the file, for errors."""
    content: bytes
    frames: int
    mels: int
    labels: dict[str, int]
    """Number of labels by output."""
    softmax: dict[str, bool]
    """By output: whether it gives logits, whose softmax are the scores."""

    @property
    def kind(self) -> str:
        """containers.TFLITE or containers.ONNX."""
        return kind(self.content) or TFLITE

    def place(self, output: str) -> str:
        """What errors call an output."""
        return f"{self.path}: output {output}"


def first_network(file: ModelFile) -> Network:
    """The network that looks at every window."""
    front_end, heads = file.manifest.front_end, file.manifest.heads
    return Network(
        file.path,
        file.model,
        front_end.frames,
        front_end.mels,
        {head.name: len(head.labels) for head in heads},
        {head.name: head.softmax for head in heads},
    )


def second_network(file: ModelFile) -> Network | None:
    """The network that looks at candidates; None where the model has no verifier."""
    config, front_end = file.manifest.verifier, file.manifest.front_end
    if config is None or file.verifier is None:
        return None
    return Network(
        file.path,
        file.verifier,
        front_end.frames_in(config.clip_ms),
        front_end.mels,
        {VERIFIER_OUTPUT: len(config.labels)},
        {VERIFIER_OUTPUT: config.softmax},
    )


def embedding_network(file: ModelFile) -> Network | None:
    """The network that makes embeddings; None where the model has none."""
    config, front_end = file.manifest.embedding, file.manifest.front_end
    if config is None or file.embedding is None:
        return None
    return Network(
        file.path,
        file.embedding.network,
        front_end.frames_in(config.clip_ms),
        front_end.mels,
        {EMBEDDING_OUTPUT: config.size},
        {EMBEDDING_OUTPUT: False},
    )
