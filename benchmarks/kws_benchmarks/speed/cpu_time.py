"""CPU time of our engine and of others, in turn on the same speech, so that load affects all alike."""

from __future__ import annotations

import functools
import platform
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tqdm import tqdm

from kws_device import Manifest, audio_files
from kws_device.model import model_file
from kws_device.model.engine import load_engine
from kws_training.data.corpus import read_folder
from kws_training.loop import runs

from .._support.checkout import demo
from ..peers.environments import PEERS, Peer, environment
from ..peers.peer_process import PEERS_RATE_HZ, hear
from .stages import Sound, parts
from .startup import Fresh, cpu_afresh_s, listen_afresh

_FRESH_S = 10.0
"""Of speech for each fresh process; its memory does not grow with it."""


def speed(
    model: str | Path | None, speech: Path | None, seconds: float, rounds: int, peers: Path | None
) -> dict[str, Any]:
    """Measure one model over speech, on one thread.

    Args:
        model: file or shipped name; None: the shipped default.
        speech: a recording or a folder of them; None: the demo recording. Repeated or cut to `seconds`.
        seconds: of speech in a pass.
        rounds: passes of everything, one after the other; figures are medians over them.
        peers: folder of the peers' environments; None: measure none.

    Returns:
        what `kws-bench speed --json` prints.

    Raises:
        InputError: a model or sound that cannot be used, or a peer that cannot be set up.
    """
    file = model_file.read(model_file.find(model))
    rate = file.manifest.front_end.sample_rate_hz
    sound = _speech(speech, rate, seconds)
    calls = parts(file.manifest, load_engine(file), sound)
    pythons = {}
    if peers is not None:
        pythons = {p: environment(p, peers) for p in tqdm(PEERS, desc="peers", unit="peer", leave=False)}
    with tempfile.TemporaryDirectory() as folder:
        own, excerpt = (Path(folder) / f"{name}.wav" for name in ("own", "excerpt"))
        soundfile.write(own, sound, rate, subtype="PCM_16")
        soundfile.write(excerpt, sound[: round(_FRESH_S * rate)], rate, subtype="PCM_16")
        calls["pipeline"] = functools.partial(cpu_afresh_s, file.path, own)
        theirs = _speech(speech, PEERS_RATE_HZ, seconds)
        calls |= {
            peer.name: functools.partial(_peer_cpu_s, peer, python, theirs)
            for peer, python in pythons.items()
        }
        seen, fresh = _rounds(calls, functools.partial(listen_afresh, file.path, excerpt), rounds)
    ms = {name: 1000 * statistics.median(values) / seconds for name, values in seen.items()}
    return {
        **_ours(file.manifest, ms),
        "startup_ms": round(min(one.startup_ms for one in fresh), 1),
        "rss_mb": round(max(one.rss_mb for one in fresh), 1),
        "peers": {
            peer.name: {
                "ms_per_audio_s": round(ms[peer.name], 3),
                "ratio": round(ms["pipeline"] / ms[peer.name], 4),
            }
            for peer in pythons
        },
        "audio_s": seconds,
        "rounds": rounds,
        "machine": f"{runs.processor()}, Python {platform.python_version()}",
    }


def _peer_cpu_s(peer: Peer, python: Path, sound: Sound) -> float:
    return hear(peer, python, peer.words[0], [sound]).cpu_s


def _speech(speech: Path | None, rate: int, seconds: float) -> Sound:
    if speech is not None and speech.is_dir():
        sound = np.concatenate(read_folder(speech, rate, "speech"))
    else:
        sound = audio_files.read(speech or demo(), rate)
    return np.resize(sound, round(seconds * rate))


def _rounds(
    calls: dict[str, Callable[[], float]], listen: Callable[[], Fresh], rounds: int
) -> tuple[dict[str, list[float]], list[Fresh]]:
    """The CPU time of every call and a fresh process, round by round."""
    seen: dict[str, list[float]] = {name: [] for name in calls}
    fresh = []
    with tqdm(total=1 + rounds, desc="measuring", unit="round", leave=False) as bar:
        for call in calls.values():
            call()  # the first time fills caches and does not count
        bar.update()
        for _ in range(rounds):
            for name, call in calls.items():
                seen[name].append(call())
            fresh.append(listen())
            bar.update()
    return seen, fresh


def _ours(manifest: Manifest, ms: dict[str, float]) -> dict[str, Any]:
    frontend = ms["no model"] - ms["decoder"]
    figures = {
        "model": manifest.name,
        "hash": manifest.hash,
        "pipeline_ms_per_audio_s": round(ms["pipeline"], 3),
        "frontend_ms_per_audio_s": round(frontend, 3),
        "decoder_ms_per_audio_s": round(ms["decoder"], 3),
        "inference_ms": round(ms["inference"] * manifest.decoder.decision_ms / 1000, 4),
    }
    if "librosa" in ms:
        figures |= {
            "librosa_ms_per_audio_s": round(ms["librosa"], 3),
            "frontend_speedup": round(ms["librosa"] / frontend, 2),
        }
    return figures
