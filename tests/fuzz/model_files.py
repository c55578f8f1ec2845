"""Mutants of model files: of bytes, manifest and networks, most of them under a correctly made hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import onnx
import small_embedding
from fuzz.mutations import changed_bytes, changed_json
from fuzz.networks import changed_onnx, changed_tflite, unpack_tflite

from kws_device import InputError
from kws_device.model import containers, manifest, manifest_json
from kws_device.model.taught_words import TaughtWord
from kws_export.tensor_names import packed

_STRUCTURED = {containers.TFLITE: changed_tflite, containers.ONNX: changed_onnx}


@dataclass(frozen=True)
class ModelMutants:
    """Makes mutants of a model, with and without a verifier, and has them read or listened with."""

    content: bytes
    sound: Path
    """What a mutant listens to."""

    def __call__(self, rng: Random, folder: Path) -> Sequence[object]:
        """See campaign.Make."""
        kind = containers.kind(self.content)
        path, sound = folder / f"mutant.{kind}", folder / "words.wav"
        sound.hardlink_to(self.sound)
        parts = containers.split(self.content)
        what = rng.random()
        if what < 0.3:
            parts = with_verifier(parts)
        elif what < 0.5 and kind == containers.ONNX:
            parts = with_taught_word(parts)
        path.write_bytes(_mutant(parts, str(kind), rng))
        read: list[Sequence[object]] = [
            ("kws-listen", "--model", path, "--info"),
            ("kws-listen", "--model", path, "--info", "--json"),
            ("kws-export", "show", path),
            ("kws-export", "show", path, "--json"),
        ]
        listen = ("kws-listen", "--model", path, "--file", sound, "--json")
        return rng.choice(read) if rng.random() < 0.25 else listen


def _mutant(parts: containers.Parts, kind: str, rng: Random) -> bytes:
    text = parts.manifest
    what = rng.random()
    if what < 0.15:
        return changed_bytes(containers.join(*sealed(parts)), rng)
    if what < 0.5:
        text = changed_json(text.decode(), rng).encode()
    else:
        change = _STRUCTURED[kind] if what < 0.9 else changed_bytes
        networks = [name for name in ("model", "verifier", "embedding") if getattr(parts, name) is not None]
        name = rng.choice(networks)
        parts = parts._replace(**{name: change(getattr(parts, name), rng)})
        if parts.bank is not None and rng.random() < 0.2:
            parts = parts._replace(bank=changed_bytes(parts.bank, rng))
    parts = parts._replace(manifest=text)
    try:
        return containers.join(*sealed(parts))
    except ValueError:  # no longer of a kind that could hold a manifest
        return parts.model + text


def sealed(parts: containers.Parts) -> containers.Parts:
    """The same with the hashes that a stranger would have made, where the manifest can be read at all."""
    try:
        data: dict[str, Any] = json.loads(parts.manifest)
        if parts.verifier is not None:
            data["verifier"]["sha256"] = hashlib.sha256(parts.verifier).hexdigest()
        if parts.embedding is not None and parts.bank is not None:
            data["embedding"]["sha256"] = hashlib.sha256(parts.embedding).hexdigest()
            data["embedding"]["bank_sha256"] = hashlib.sha256(parts.bank).hexdigest()
        parsed = manifest_json.parse(json.dumps(data), "mutant")
        data["hash"] = manifest_json.content_hash(parts.model, parsed)
    except (InputError, ValueError, TypeError, KeyError, RecursionError):
        return parts
    return parts._replace(manifest=json.dumps(data).encode())


def with_verifier(parts: containers.Parts) -> containers.Parts:
    """The model with its own keyword head as verifier, which sees a second as the model does."""
    data = json.loads(parts.manifest)
    (labels,) = (head["labels"] for head in data["heads"] if head["name"] == manifest.KEYWORD_HEAD)
    data["verifier"] = {
        "clip_ms": data["front_end"]["clip_ms"], "delay_ms": 300.0, "looks": 2, "labels": labels,
        "softmax": True, "candidate_thresholds": dict.fromkeys(data["decoder"]["thresholds"], 0.4),
        "first_weight": 0.5, "scale": 1.0, "offset": 0.0, "sha256": "",
    }  # fmt: skip
    tflite = containers.kind(parts.model) == containers.TFLITE
    verifier = (_tflite_verifier if tflite else _onnx_verifier)(parts.model)
    text = json.dumps({**data, "schema": manifest.SCHEMA}).encode()
    return sealed(containers.Parts(parts.model, text, verifier))


def with_taught_word(parts: containers.Parts) -> containers.Parts:
    """The ONNX model with an embedding and a word that sounds like everything."""
    made = manifest_json.parse(parts.manifest, "fuzz")
    word = TaughtWord("anything", ((1,) * small_embedding.SIZE,), 5.0, 1.0)
    decoder = replace(made.decoder, thresholds={**made.decoder.thresholds, word.word: 0.5})
    changed = replace(
        made,
        schema=manifest.EMBEDDING_SCHEMA,
        embedding=small_embedding.config(),
        taught=(word,),
        decoder=decoder,
    )
    network = small_embedding.network(made)
    text = manifest_json.to_json(changed).encode()
    return sealed(containers.Parts(parts.model, text, parts.verifier, network, bytes(small_embedding.SIZE)))


def _tflite_verifier(content: bytes) -> bytes:
    model = unpack_tflite(content)
    signature, graph = model.signatureDefs[0], model.subgraphs[0]
    signature.outputs = [out for out in signature.outputs if out.name == manifest.KEYWORD_HEAD.encode()]
    graph.outputs = [signature.outputs[0].tensorIndex]
    signature.outputs[0].name = manifest.VERIFIER_OUTPUT.encode()
    return packed(model)


def _onnx_verifier(content: bytes) -> bytes:
    model = onnx.ModelProto.FromString(content)
    (output,) = (out for out in model.graph.output if out.name == manifest.KEYWORD_HEAD)
    (node,) = (node for node in model.graph.node if manifest.KEYWORD_HEAD in node.output)
    output.name = node.output[0] = manifest.VERIFIER_OUTPUT
    kept = onnx.ValueInfoProto.FromString(output.SerializeToString())
    del model.graph.output[:]
    model.graph.output.append(kept)
    return bytes(model.SerializeToString())
