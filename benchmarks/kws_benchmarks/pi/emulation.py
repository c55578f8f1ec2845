"""Runs the device's wheel on an emulated Raspberry Pi: scores, events and cost."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tqdm import tqdm

from kws_device import audio_files
from kws_device.model import model_file
from kws_device.model.containers import TFLITE
from kws_device.model.engine import ENGINES
from kws_device.model.model_file import ModelFile

from .._support.checkout import demo
from .hosts import Here, Side, There
from .machine import PROCESSORS, Machine, counter
from .userland import SUITES, debian, device_wheel, install, packages, requirements

_SCORES = Path(__file__).with_name("scores.py")
_SHORT_S, _LONG_S = 4, 12
"""Of sound, for the instructions: their difference is what the rest of the long one costs."""
STEP = 1 / 256
"""Of an int8 score."""


@dataclass(frozen=True)
class Pi:
    """Which Raspberry Pi, and where it is set up."""

    cpu: str
    """Key of PROCESSORS."""
    suite: str
    """Key of SUITES."""
    cache: Path
    """Keeps its Debian and packages."""
    wheel: Path | None = None
    """Of the device; None: made from the checkout."""
    mirror: str | None = None
    """Of Debian; None: the one that apt uses."""


def measure(model: str | Path | None, pi: Pi) -> dict[str, Any]:
    """Run a model on an emulated Raspberry Pi and here, on the demo recording.

    Args:
        model: file or shipped name; None: the shipped default.
        pi: to emulate.

    Returns:
        what `kws-bench pi --json` prints. `scores_equal`: asked about the windows that the model saw here
        it answers the same there, and from the sound itself within one step of int8.
        `streaming_equals_batch`: on both sides, scores of frames as they come are those of each second
        computed at once. Instructions are those of kws-listen on a file; they are no times.

    Raises:
        InputError: a model that cannot be used, tools that are missing, or what cannot be fetched.
    """
    file = model_file.read(model_file.find(model))
    engine = next(iter(ENGINES[file.kind or TFLITE]))
    with tempfile.TemporaryDirectory() as name, tqdm(total=4, desc="setting up", leave=False) as bar:
        folder = Path(name)
        here, there = Here(), set_up(pi, engine, folder)
        _step(bar, "scores")
        scores = score_differences(here, there, file.path, folder)
        _step(bar, "events")
        events_here, events_there = (_events(side, file.path) for side in (here, there))
        _step(bar, "instructions")
        per_s, startup = instructions(there, file, folder)
        bar.update()
    return {
        "model": file.manifest.name,
        "hash": file.manifest.hash,
        "cpu": pi.cpu,
        "suite": pi.suite,
        "engine": engine,
        "scores_equal": scores.of_windows == 0 and scores.of_sound <= STEP,
        "scores_compared": scores.compared,
        "window_scores_different": scores.different,
        "window_score_difference": scores.of_windows,
        "sound_score_difference": scores.of_sound,
        "streaming_equals_batch": scores.streaming_equals_batch,
        "events_equal": same_events(events_here, events_there),
        "events": len(events_there),
        "instructions_per_audio_s": per_s,
        "startup_instructions": startup,
    }


def _step(bar: Any, what: str) -> None:
    bar.update()
    bar.set_description(what)


def set_up(pi: Pi, engine: str, folder: Path) -> There:
    """The emulated computer with the device's wheel installed, its own files in an empty `folder`.

    Raises:
        InputError: tools are missing, or something cannot be fetched or installed.
    """
    suite = SUITES[pi.suite]
    plugin = counter(pi.cache)
    wheel = pi.wheel or device_wheel(folder)
    wanted = requirements(wheel)
    if not any(line.startswith(engine) for line in wanted):
        wanted.append(engine)
    root = debian(suite, pi.cache, pi.mirror)
    needed = packages(suite, wanted, pi.cache)
    device = folder / "device"
    install(suite, ["--no-deps", str(wheel)], device)
    (folder / "machine").mkdir()
    return There(Machine(PROCESSORS[pi.cpu], root, plugin, folder / "machine"), device, needed)


@dataclass(frozen=True)
class Differences:
    """Between the scores of both sides, over the demo recording."""

    compared: int
    """How many scores: windows times labels of all heads."""
    different: int
    """How many of them differ for the very same window."""
    of_windows: float
    """The largest difference for the very same window, which int8 models take as the very same integers."""
    of_sound: float
    """The largest one from the sound on, where the front ends' rounding comes in."""
    streaming_equals_batch: bool
    """Whether on the Pi, and here, each decision's scores are those of its second of sound computed at once,
    bit for bit."""


def score_differences(here: Side, there: Side, model: Path, folder: Path) -> Differences:
    """Ask both sides about the demo recording; what they answer goes into `folder`."""
    ours, theirs = folder / "here.npz", folder / "there.npz"
    here.python([_SCORES, model, demo(), ours], "scores here")
    here.python([_SCORES, model, demo(), ours, ours], "scores here")
    there.python([_SCORES, model, demo(), theirs, ours], "scores on the Pi")
    with np.load(ours, allow_pickle=False) as one, np.load(theirs, allow_pickle=False) as other:
        given, heard = (
            np.concatenate([np.abs(one[n] - other[n]).ravel() for n in one.files if n.startswith(kind)])
            for kind in ("given", "heard")
        )
        streaming = all(
            np.array_equal(side[n], side[n.replace("heard", "batch")])
            for side in (one, other)
            for n in one.files
            if n.startswith("heard")
        )
    return Differences(given.size, int((given > 0).sum()), float(given.max()), float(heard.max()), streaming)


def _events(side: Side, model: Path) -> list[dict[str, Any]]:
    lines, _ = side.listen(model, demo())
    return [line for line in lines if line["type"] == "keyword"]


def same_events(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Whether the same is reported at the same times, the scores at most a step of int8 apart."""

    def near(a: Any, b: Any) -> bool:
        return bool(abs(a - b) <= STEP) if isinstance(a, float) and isinstance(b, float) else bool(a == b)

    return len(one) == len(other) and all(
        a.keys() == b.keys() and all(near(a[key], b[key]) for key in a)
        for a, b in zip(one, other, strict=True)
    )


def instructions(there: Side, file: ModelFile, folder: Path) -> tuple[int, int]:
    """Instructions of kws-listen for each second of sound, and for all that is not sound."""
    rate = file.manifest.front_end.sample_rate_hz
    recording = audio_files.read(demo(), rate)
    seconds, counts = [], []
    for length_s in (_SHORT_S, _LONG_S):
        sound = folder / f"{length_s}.wav"
        soundfile.write(sound, recording[: length_s * rate], rate, subtype="PCM_16")
        lines, count = there.listen(file.path, sound)
        # With the silence behind its end.
        seconds.append(lines[-1]["decisions"] * file.manifest.decoder.decision_ms / 1000)
        counts.append(count)
    per_s = (counts[1] - counts[0]) / (seconds[1] - seconds[0])
    return round(per_s), round(counts[0] - per_s * seconds[0])
