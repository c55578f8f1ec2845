"""A page on which a person looks at and listens to every step of an augmentation."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from kws_device._support import atomic
from kws_device.front_end import MelConfig, Normalisation, log_mel

from ..signal.augment import Sound, Step, Watch, Window, always, augmented
from . import plots
from .html import template

PAGE = "index.html"
_SAME_FOR_ALL = Normalisation((-50.0,), (20.0,))
"""Of pictures: masks blank normalised mels, and a run's own normalisation takes all of its data."""

Draw = Callable[[np.random.Generator, list[Step[Window]], Watch[Window]], Window]
"""Draws one window, puts it through the steps, and tells of each."""


@dataclass(frozen=True)
class Shown:
    """A window, or its mels, after a step."""

    name: str
    range: str
    """What the step draws from."""
    prob: float | None
    """How often it happens in training; None: it is no step."""
    mels: Sound
    """Normalised, shape (frames, mels)."""
    samples: Sound | None
    """None where the mels alone are changed."""


@dataclass(frozen=True)
class Chain:
    """What one window went through."""

    title: str
    """What the window holds."""
    shown: list[Shown]


def chain(
    title: str,
    draw: Draw,
    steps: tuple[Sequence[Step[Window]], Sequence[Step[Sound]], Sequence[Step[Sound]]],
    front_end: MelConfig,
    seed: int,
) -> Chain:
    """A window as it is, and after each step that can happen to it; here every one of them does.

    Args:
        title: what the window holds.
        draw: draws it.
        steps: of its sound, of its mels in dB, and of its normalised mels.
        front_end: makes mels of it.
        seed: draws the window, and what happens to it.
    """
    of_sound, of_mels, of_normalised = steps
    # What cannot happen in training is not shown; what can, always happens here.
    probs = {step.name: step.prob for each in steps for step in each}
    shown: list[Shown] = []

    def heard(sound: Sound) -> Sound:
        padded = np.pad(sound, (0, max(0, front_end.clip_samples - len(sound))))
        mels: Sound = log_mel(padded, front_end)
        return mels

    def sound_told(step: Step[Window], window: Window) -> None:
        mels = _SAME_FOR_ALL.apply(heard(window.samples))
        shown.append(Shown(step.name, step.range, probs[step.name], mels, window.samples))

    raw = draw(np.random.default_rng(seed), [], sound_told)
    shown.append(Shown("as it is", "", None, _SAME_FOR_ALL.apply(heard(raw.samples)), raw.samples))
    rng = np.random.default_rng(seed)
    mels = heard(draw(rng, always(of_sound), sound_told).samples)

    def mels_told(step: Step[Sound], changed: Sound) -> None:
        normalised = changed if step in of_normalised_always else _SAME_FOR_ALL.apply(changed)
        shown.append(Shown(step.name, step.range, probs[step.name], normalised, None))

    of_normalised_always = always(of_normalised)
    mels = augmented(mels, always(of_mels), rng, watch=mels_told)
    augmented(_SAME_FOR_ALL.apply(mels), of_normalised_always, rng, watch=mels_told)
    return Chain(title, shown)


def write_page(about: str, chains: Sequence[Chain], sample_rate_hz: int, out: Path) -> Path:
    """Write `out`/index.html with the pictures inside, and a WAV beside it for each step of the sound.

    Args:
        about: the recipe, in the page's title.
        chains: a section each.
        sample_rate_hz: of the sound.
        out: a new or empty folder.

    Returns:
        the page.

    Raises:
        InputError: the folder is taken, or cannot be written.
    """
    atomic.check_vacant(out)
    with atomic.making(out):
        sections = []
        for number, one in enumerate(chains):
            rows = []
            for place, shown in enumerate(one.shown):
                name = f"{number}{place:02}-{re.sub(r'[^a-z_]+', '-', shown.name)}"
                if shown.samples is not None:
                    _write_wav(out / f"{name}.wav", shown.samples, sample_rate_hz)
                picture = out / f"{name}.png"
                plots.spectrogram(shown.mels, picture)
                rows.append(
                    {
                        "name": shown.name,
                        "range": shown.range,
                        "prob": shown.prob,
                        "picture": base64.b64encode(picture.read_bytes()).decode("ascii"),
                        "sound": None if shown.samples is None else f"{name}.wav",
                    }
                )
            sections.append({"title": one.title, "rows": rows})
        page = template("kws_training.evaluation/augmentation.html").render(about=about, sections=sections)
        atomic.write_text(out / PAGE, page)
    return out / PAGE


def _write_wav(path: Path, samples: Sound, sample_rate_hz: int) -> None:
    with atomic.replacing(path) as temporary, temporary.open("wb") as content:
        soundfile.write(content, samples.clip(-1, 1), sample_rate_hz, subtype="PCM_16", format="WAV")
