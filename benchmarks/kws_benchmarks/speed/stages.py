"""The stages of the pipeline, each as a call that returns its CPU time."""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kws_device import Manifest, Spotter
from kws_device.decoder import Decoder
from kws_device.front_end import MelConfig
from kws_device.model.engine import Engine
from kws_device.sources import LISTENING

_BLOCK_S = 0.1
_LIBROSA_WINDOWS = 100

Sound = NDArray[np.float32]


class _Samples:
    """A source that holds its sound in memory."""

    def __init__(self, samples: Sound) -> None:
        self.name, self.state = "memory", LISTENING
        self.audio_s = self.lost_s = 0.0
        self._samples = samples

    def blocks(self, sample_rate_hz: int) -> Iterator[Sound]:
        """See AudioSource."""
        size = round(_BLOCK_S * sample_rate_hz)
        for start in range(0, len(self._samples), size):
            yield self._samples[start : start + size]


class _NoModel(Engine):
    """An engine that computes nothing: always the same scores."""

    def __init__(self, manifest: Manifest) -> None:
        self.constant = {
            head.name: np.full(len(head.labels), 1 / len(head.labels), np.float32) for head in manifest.heads
        }

    def prepare(self, frames: Sound) -> Sound:
        """See Engine."""
        return frames

    def run(self, window: Sound) -> dict[str, Sound]:
        """See Engine."""
        return self.constant


class _Windows(_NoModel):
    """Keeps the windows that it was asked about."""

    def __init__(self, manifest: Manifest) -> None:
        super().__init__(manifest)
        self.kept: list[Sound] = []

    def run(self, window: Sound) -> dict[str, Sound]:
        """See Engine."""
        self.kept.append(window.copy())
        return self.constant


def windows(manifest: Manifest, sound: Sound) -> list[Sound]:
    """Every window that the model would be asked about, shape (frames, mels) each."""
    engine = _Windows(manifest)
    _listen(manifest, engine, sound)
    return engine.kept


def parts(manifest: Manifest, engine: Engine, sound: Sound) -> dict[str, Callable[[], float]]:
    """Calls that work through the whole of a sound, and tell their CPU time in seconds.

    Args:
        manifest: of the model.
        engine: that runs it.
        sound: at the model's rate, shape (n,).

    Returns:
        `no model`: everything from samples to events with an engine that computes nothing; `decoder` and
        `inference` alone; `librosa`, where it is installed: the mels of each whole window from nothing.
    """
    asked = windows(manifest, sound)
    calls: dict[str, Callable[[], float]] = {
        "no model": functools.partial(_listen, manifest, _NoModel(manifest), sound),
        "decoder": functools.partial(_decide, manifest, len(asked)),
        "inference": functools.partial(_infer, engine, [engine.prepare(window) for window in asked]),
    }
    if importlib.util.find_spec("librosa") is not None:
        calls["librosa"] = functools.partial(_librosa, manifest.front_end, sound, len(asked))
    return calls


def _listen(manifest: Manifest, engine: Engine, sound: Sound) -> float:
    spotter, source = Spotter(manifest.without_verifier(), engine), _Samples(sound)
    began_s = time.process_time()
    for _ in spotter.decisions(source):
        pass
    return time.process_time() - began_s


def _decide(manifest: Manifest, decisions: int) -> float:
    decoder, scores = Decoder(manifest.without_verifier()), _NoModel(manifest).constant
    began_s = time.process_time()
    for i in range(decisions):
        decoder.decide(scores, i)
    return time.process_time() - began_s


def _infer(engine: Engine, prepared: list[NDArray[Any]]) -> float:
    began_s = time.process_time()
    for window in prepared:
        engine.run(window)
    return time.process_time() - began_s


def _librosa(config: MelConfig, sound: Sound, decisions: int) -> float:
    """The same mels as a first attempt would compute them; from fewer windows, since it takes long."""
    import librosa

    count = min(decisions, _LIBROSA_WINDOWS, len(sound) // config.clip_samples)
    clips = sound[: count * config.clip_samples].reshape(count, -1)
    began_s = time.process_time()
    for clip in clips:
        mels = librosa.feature.melspectrogram(
            y=clip,
            sr=config.sample_rate_hz,
            n_fft=config.window_samples,
            hop_length=config.hop_samples,
            center=config.centred,
            n_mels=config.mels,
            fmin=config.fmin_hz,
            fmax=config.fmax_hz,
        )
        librosa.power_to_db(mels, amin=10 ** (config.floor_db / 10), top_db=config.top_db or None)
    return (time.process_time() - began_s) * decisions / count
