"""The augmentation steps of a verifier's windows, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kws_device.front_end import mel_centres_hz

from ...data.segments import power
from ...signal.augment import (
    Sound,
    Step,
    Window,
    clipping_step,
    gain_step,
    mic_eq_step,
    over_background,
    reverb_step,
    spec_augment_step,
    speed_step,
    vtlp_step,
)
from .placement import Kind, Placement, cropped
from .recipe import VerifierRecipe
from .sound import Sounds

_ALONE = frozenset({Kind.KEYWORD, Kind.OTHER, Kind.FRAGMENT})
_PLACED = _ALONE | {Kind.SENTENCE}
_RUNNING = frozenset({Kind.SENTENCE, Kind.TALK, Kind.HARD})


def sound_steps(
    recipe: VerifierRecipe, sounds: Sounds, placement: Placement, rooms: Sequence[Sound]
) -> list[Step[Window]]:
    """What happens to a window's sound, in this order.

    Args:
        recipe: its augmentation.
        sounds: for backgrounds.
        placement: puts words into windows.
        rooms: impulse responses.
    """
    change = recipe.augmentation
    steps = [
        speed_step(change.speed, _PLACED),
        Step("placement", placement.range, 1.0, placement.placed, _PLACED),
        reverb_step(change.reverb_prob, rooms, _PLACED),
        _background_step(recipe, sounds),
    ]
    if sounds.noise:
        steps.append(_noise_step(recipe, sounds))
    return [*steps, gain_step(change.gain_db), clipping_step(change.clipping_prob)]


def mel_steps(recipe: VerifierRecipe) -> list[Step[Sound]]:
    """What happens to a window's mels in dB, anew in every epoch."""
    change = recipe.augmentation
    return [
        vtlp_step(change.vtlp, mel_centres_hz(recipe.front_end)),
        mic_eq_step(change.eq_std_db, change.band_limit_prob, recipe.front_end.floor_db),
    ]


def mask_steps(recipe: VerifierRecipe) -> list[Step[Sound]]:
    """What happens to a window's normalised mels, anew in every epoch."""
    change = recipe.augmentation
    masks = (change.time_masks, change.time_mask_frames, change.mel_masks, change.mel_mask_bands)
    return [spec_augment_step(*masks)]


def _background_step(recipe: VerifierRecipe, sounds: Sounds) -> Step[Window]:
    change, length = recipe.augmentation, recipe.stretch.clip_samples

    def over(window: Window, rng: np.random.Generator) -> Window:
        """Over noise, over somebody else's talk, or as it is."""
        if rng.random() < change.clean_prob:
            return window
        if sounds.talk and rng.random() < change.babble_prob:
            background = cropped(sounds.talk, length, rng)
            snr_db = rng.uniform(change.babble_snr_min_db, change.snr_max_db)
        elif sounds.noise:
            background = cropped(sounds.noise, length, rng)
            snr_db = rng.uniform(change.snr_min_db, change.snr_max_db)
        else:
            return window
        mixed = over_background(window.samples, window.speech_power, background, snr_db)
        return replace(window, samples=mixed)

    told = f"{change.snr_min_db:g} to {change.snr_max_db:g} dB, {change.clean_prob:.0%} clean"
    return Step("background", told, 1.0, over, _ALONE)


def _noise_step(recipe: VerifierRecipe, sounds: Sounds) -> Step[Window]:
    change, length = recipe.augmentation, recipe.stretch.clip_samples
    least_db = max(0.0, change.snr_min_db)

    def noisy(window: Window, rng: np.random.Generator) -> Window:
        snr_db = rng.uniform(least_db, change.snr_max_db)
        background = cropped(sounds.noise, length, rng)
        speech = window.samples
        return replace(window, samples=over_background(speech, power(speech), background, snr_db))

    told = f"{least_db:g} to {change.snr_max_db:g} dB"
    return Step("noise", told, change.noisy_speech_prob, noisy, _RUNNING)
