"""Test sets after playback in a room."""

from __future__ import annotations

from dataclasses import replace

from kws_training.evaluation.eval_sets import EvaluationSet, Item

from .room import Room, play_clips


def played(set_: EvaluationSet, room: Room, sample_rate_hz: int) -> EvaluationSet:
    """The set with each window as the microphone hears it; a window of both heads is played once.

    Args:
        set_: of waveforms, without overlays.
        room: to play it in; takes as long as the set, and a little.
        sample_rate_hz: of its windows.

    Raises:
        InputError: as `Room.play`.
    """
    windows = {id(item.samples): item.samples for item in (*set_.words, *set_.scenes)}
    heard = dict(zip(windows, play_clips(room, windows.values(), sample_rate_hz), strict=True))

    def recorded(items: list[Item]) -> list[Item]:
        return [replace(item, samples=heard[id(item.samples)]) for item in items]

    return replace(set_, words=recorded(set_.words), scenes=recorded(set_.scenes))
