"""A manifest as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .._support.untrusted_text import printable
from .manifest import Manifest
from .manifest_parts import ArmingConfig, VerifierConfig


def describe(manifest: Manifest) -> str:
    """What a model file says of itself, for people: lines that are safe to print."""
    front_end, decoder = manifest.front_end, manifest.decoder
    tuned = decoder.false_accepts_per_hour
    lines = [
        f"model       {manifest.name}, {manifest.hash[:12]}",
        f"front end   {front_end.mels} mels, {front_end.fmin_hz:g} to {front_end.fmax_hz:g} Hz, "
        f"{front_end.window_ms:g} ms every {front_end.hop_ms:g} ms, {front_end.sample_rate_hz} Hz",
        *(f"{head.name:<11} {', '.join(head.labels)}" for head in manifest.heads),
        "thresholds  " + ", ".join(f"{word} {p:g}" for word, p in decoder.thresholds.items()),
        *(
            f"  in {scene:<8} " + ", ".join(f"{word} {p:g}" for word, p in table.items())
            for scene, table in decoder.scene_thresholds.items()
        ),
        *_describe_verifier(manifest.verifier),
        *_describe_arming(manifest.arming),
        *_describe_embedding(manifest),
        "tuned to    " + ("nothing yet" if tuned is None else f"{tuned:g} false accepts an hour"),
        *(f"trained on  {source.name} ({source.licence})" for source in manifest.sources),
        *(f"measured    {where}: {values}" for where, values in _tables(manifest.metrics)),
        "made with   " + ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
    ]
    return "\n".join(map(printable, lines))


def _describe_verifier(verifier: VerifierConfig | None) -> Iterator[str]:
    if verifier is not None:
        yield f"verifier    sees {verifier.clip_ms / 1000:g} s, {verifier.delay_ms:g} ms after a candidate"
        words = ", ".join(f"{word} {p:g}" for word, p in verifier.candidate_thresholds.items())
        yield f"candidates  {words}"


def _describe_arming(arming: ArmingConfig | None) -> Iterator[str]:
    if arming is not None:
        yield f"arming      {arming.armed_by}, for {arming.armed_s:g} s: {', '.join(arming.commands)}"
        if arming.thresholds:
            yield "  armed     " + ", ".join(f"{word} {p:g}" for word, p in arming.thresholds.items())


def _describe_embedding(manifest: Manifest) -> Iterator[str]:
    embedding = manifest.embedding
    if embedding is not None:
        yield f"embedding   sees {embedding.clip_ms / 1000:g} s, {embedding.size} values"
        words = ", ".join(f"{taught.word} ({len(taught.takes)} takes)" for taught in manifest.taught)
        yield f"taught      {words or 'nothing yet (kws-teach)'}"


def _tables(data: dict[str, Any], where: str = "") -> Iterator[tuple[str, str]]:
    """The innermost tables of nested ones, each by the way to it, and what it says."""
    values = {key: value for key, value in data.items() if not isinstance(value, dict)}
    if values:
        yield where or "all", ", ".join(f"{key} {value}" for key, value in values.items())
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _tables(value, f"{where} {key}".strip())
