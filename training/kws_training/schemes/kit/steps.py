"""The augmentation steps of the kit's scheme, in order."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

import numpy as np

from kws_device.model.manifest import SILENCE, UNKNOWN

from ...data.corpus import keyword_labels
from ...data.segments import centred, power, word_extent
from ...signal.augment import (
    Sound,
    Step,
    Window,
    clipping_step,
    gain_step,
    mic_eq_step,
    over_background,
    reverb_step,
    shifted,
    spec_augment_step,
    speed_step,
)
from .recipe import KitRecipe
from .sources import Sources

# As a word enters or leaves the window it is seen cut: `no` without its beginning sounds like the end
# of `go`. A word that has lost up to a tenth of its length is still the word, one that has lost three
# tenths is none. In between nobody can say, and the window does not train the keyword head.
_LOST_IS_WORD = 0.1
_LOST_IS_FRAGMENT = 0.3
_NEIGHBOUR_SHIFT = (0.65, 0.95)


class Kind(IntEnum):
    """What a window holds."""

    WORD = 0
    PIECE = 1
    """Of running speech, as long as a word."""
    TALK = 2
    """Running speech all through."""
    MINED = 3
    """With a background of its own."""
    ALONE = 4
    """Background, or next to nothing."""


_PLACED = frozenset({Kind.WORD, Kind.PIECE})
_SPEECH = _PLACED | {Kind.TALK}


def sound_steps(recipe: KitRecipe, sources: Sources) -> list[Step[Window]]:
    """What happens to a window's sound, in this order.

    Args:
        recipe: its augmentation.
        sources: of rooms, neighbours and backgrounds.
    """
    change = recipe.augmentation
    return [
        speed_step(change.speed, _PLACED),
        reverb_step(change.reverb_prob, sources.rooms, _PLACED),
        _place_step(recipe),
        _neighbour_step(recipe, sources),
        _background_step(recipe, sources),
        gain_step(change.gain_db),
        clipping_step(change.clipping_prob),
    ]


def mel_steps(recipe: KitRecipe) -> list[Step[Sound]]:
    """What happens to a window's mels in dB, which are kept for later epochs."""
    change = recipe.augmentation
    return [mic_eq_step(change.eq_std_db, change.band_limit_prob, recipe.front_end.floor_db)]


def mask_steps(recipe: KitRecipe) -> list[Step[Sound]]:
    """What happens to a window's normalised mels, anew in every epoch."""
    change = recipe.augmentation
    masks = (change.time_masks, change.time_mask_frames, change.mel_masks, change.mel_mask_bands)
    return [spec_augment_step(*masks)]


def _place_step(recipe: KitRecipe) -> Step[Window]:
    change, rate, length = recipe.augmentation, recipe.front_end.sample_rate_hz, recipe.front_end.clip_samples
    labels = keyword_labels(recipe.keywords)
    unknown, silence = labels.index(UNKNOWN), labels.index(SILENCE)

    def piece(window: Window, rng: np.random.Generator) -> Window:
        reach = max(length - len(window.samples), 0) / 2
        return replace(
            window,
            samples=shifted(centred(window.samples, length), int(rng.uniform(-reach, reach))),
            speech_power=power(window.samples),
        )

    def word(window: Window, rng: np.random.Generator) -> Window:
        clip, label, weight = centred(window.samples, length), window.label, 1.0
        if rng.random() < change.fragment_prob:
            first, last = word_extent(clip)
            lost = rng.uniform(_LOST_IS_WORD, 1.0)
            cut = int(lost * (last - first))
            moved = shifted(clip, -(first + cut) if rng.random() < 0.5 else length - last + cut)
            if lost < _LOST_IS_FRAGMENT:
                weight = 0.0
            elif label != silence:
                label = unknown
        else:
            reach = change.shift_ms / 1000 * rate
            moved = shifted(clip, int(rng.uniform(-reach, reach)))
        return replace(window, samples=moved, label=label, weight=weight, speech_power=power(window.samples))

    def place(window: Window, rng: np.random.Generator) -> Window:
        return (word if window.kind == Kind.WORD else piece)(window, rng)

    told = f"±{change.shift_ms:g} ms, {change.fragment_prob:.0%} cut at an edge"
    return Step("shift", told, 1.0, place, _PLACED)


def _neighbour_step(recipe: KitRecipe, sources: Sources) -> Step[Window]:
    length = recipe.front_end.clip_samples

    def change(window: Window, rng: np.random.Generator) -> Window:
        by = rng.choice((-1, 1)) * rng.uniform(*_NEIGHBOUR_SHIFT) * length
        neighbour = centred(sources.clips[rng.integers(len(sources.clips))], length)
        return replace(window, samples=window.samples + shifted(neighbour, int(by)))

    least, most = _NEIGHBOUR_SHIFT
    told = f"{least:.0%} to {most:.0%} of a window away"
    prob = recipe.augmentation.neighbour_prob
    return Step("neighbour", told, prob, change, frozenset({Kind.WORD}))


def _background_step(recipe: KitRecipe, sources: Sources) -> Step[Window]:
    change = recipe.augmentation

    def over(window: Window, rng: np.random.Generator) -> Window:
        if rng.random() < change.clean_prob or window.speech_power == 0:
            return window
        if sources.negatives and rng.random() < change.babble_prob:
            crop, scene = sources.talk(rng), None
            snr_db = rng.uniform(change.babble_snr_min_db, change.snr_max_db)
        else:
            crop, scene = sources.background(rng)
            snr_db = rng.uniform(change.snr_min_db, change.snr_max_db)
        if crop is None:
            return window
        mixed = over_background(window.samples, window.speech_power, crop, snr_db)
        return replace(window, samples=mixed, scene=scene if snr_db <= change.scene_label_snr_db else None)

    told = f"{change.snr_min_db:g} to {change.snr_max_db:g} dB, {change.clean_prob:.0%} clean"
    return Step("background", told, 1.0, over, _SPEECH)
