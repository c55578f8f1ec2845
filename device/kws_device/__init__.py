"""Keyword spotting on the device: sound to events.

    from kws_device import Microphone, Spotter
    for event in Spotter.load("kws.tflite").listen(Microphone()):
        print(event.keyword, event.score, event.scene)

The way of a sound: a source yields blocks of samples (sources); a ring holds the last
second (ring_buffer); its newest frames become log-mels (front_end) in a second ring; an engine scores
them (model); a decoder turns scores into events (decoder); sinks pass them on (sinks). What all of
them need to know is written in the model file (model).

The names in `__all__` are the public interface. All else is internal and may change with any version.
"""

from ._support.errors import InputError
from .events import Clip, Decision, Event
from .model.engine import Engine
from .model.manifest import Manifest
from .session import Session
from .sinks import Clips, Commands, JsonLines, Lines, Sink, SystemdNotifier, for_people
from .sources import AudioFile, AudioSource, InputDevice, Microphone, RawStream, microphones
from .spotter import Spotter

__version__ = "0.1.0"

__all__ = [
    "AudioFile",
    "AudioSource",
    "Clip",
    "Clips",
    "Commands",
    "Decision",
    "Engine",
    "Event",
    "InputDevice",
    "InputError",
    "JsonLines",
    "Lines",
    "Manifest",
    "Microphone",
    "RawStream",
    "Session",
    "Sink",
    "Spotter",
    "SystemdNotifier",
    "__version__",
    "for_people",
    "microphones",
]
