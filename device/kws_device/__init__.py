"""Keyword spotting on the device: sound to events.

    from kws_device import Microphone, Spotter
    for event in Spotter.load("kws.tflite").listen(Microphone()):
        print(event.keyword, event.score, event.scene)

The way of a sound: a source yields blocks of samples (sources); a ring holds the last
second (ring_buffer); its newest frames become log-mels (front_end) in a second ring; an engine scores
them (model); a decoder turns scores into events (decoder); sinks pass them on (sinks). What all of
them need to know is written in the model file (model).
"""

from ._support.errors import InputError
from .events import Decision, Event
from .model.manifest import Manifest
from .sources import AudioFile, Microphone, RawStream
from .spotter import Spotter

__all__ = ["AudioFile", "Decision", "Event", "InputError", "Manifest", "Microphone", "RawStream", "Spotter"]
