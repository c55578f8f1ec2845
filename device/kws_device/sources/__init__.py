"""Sources of sound: microphone, files, pipe."""

from .microphone import InputDevice, Microphone, microphones
from .recordings import AudioFile, RawStream
from .source import LISTENING, AudioSource

__all__ = [
    "LISTENING",
    "AudioFile",
    "AudioSource",
    "InputDevice",
    "Microphone",
    "RawStream",
    "microphones",
]
