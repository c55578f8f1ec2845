"""Where sound comes from: a microphone, files, a pipe."""

from .microphone import Microphone
from .recordings import AudioFile, RawStream
from .source import LISTENING, AudioSource

__all__ = ["LISTENING", "AudioFile", "AudioSource", "Microphone", "RawStream"]
