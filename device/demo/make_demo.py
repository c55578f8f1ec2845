"""Makes demo.flac and demo.json: words in espeak-ng's voices beside a running tap that we made ourselves.

Needs espeak-ng (apt install espeak-ng) and the device distribution. Run it in this folder:

    python make_demo.py
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from kws_device import audio_files

RATE_HZ = 16_000
SEED = 1
SNR_DB = 12.0
PAUSE_S = 1.5
SCRIPT = [
    ("yes", "en-us+f3", 140), ("hello", "en-gb", 140), ("no", "en-us", 120), ("kitchen", "en-us+m7", 140),
    ("up", "en-gb-x-rp+f2", 120), ("left", "en-gb-scotland+m8", 140), ("computer", "en-us+m3", 140),
    ("right", "en-us+m8", 130), ("down", "en-us-nyc+f2", 120), ("stop", "en-gb", 140),
    ("Monday", "en-us+m3", 140), ("go", "en-us", 120), ("no", "en-us+f2", 120), ("yes", "en-gb", 120),
    ("window", "en-us+m3", 140), ("stop", "en-gb-x-rp+m8", 140), ("up", "en-us-nyc+f2", 140),
    ("banana", "en-gb", 140), ("down", "en-gb-x-gbcwmd+f2", 140), ("right", "en-gb-scotland+m8", 120),
    ("left", "en-gb-x-rp+f5", 120), ("go", "en-gb-x-gbcwmd", 120),
]  # fmt: skip
"""Words, voices and words a minute.

No voice says all eight words as people do; these were chosen since they are heard.
"""


def speak(word: str, voice: str, speed: int, folder: Path) -> NDArray[np.float32]:
    """A word as espeak-ng says it, without the silence around it, shape (n,)."""
    path = folder / "word.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", str(speed), "-w", path, word], check=True)
    sound = audio_files.read(path, RATE_HZ)
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[loud[0] : loud[-1]]


def running_tap(samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Water into a sink: noise falling by 3 dB an octave above 500 Hz, gurgling slowly, shape (n,)."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / RATE_HZ)
    water = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 500.0) / 500.0), samples)
    slow = np.fft.irfft(np.fft.rfft(rng.standard_normal(samples)) * (hz < 3.0), samples)
    gurgle = 1 + 0.2 * slow / np.abs(slow).max()
    return (water * gurgle / np.abs(water).max()).astype(np.float32)


def main() -> None:
    """Write the recording and the list of its words."""
    rng = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory() as folder:
        spoken = [speak(*said, Path(folder)) for said in SCRIPT]
    length = round(sum(len(s) for s in spoken) + (len(spoken) + 1) * PAUSE_S * RATE_HZ)
    recording = 0.06 * running_tap(length, rng)
    noise_power = np.mean(np.square(recording, dtype=np.float64))
    words = []
    at = round(PAUSE_S * RATE_HZ)
    for (word, _, _), sound in zip(SCRIPT, spoken, strict=True):
        gain = np.sqrt(noise_power * 10 ** (SNR_DB / 10) / np.mean(np.square(sound, dtype=np.float64)))
        recording[at : at + len(sound)] += np.float32(gain) * sound
        words.append({"word": word, "start_s": at / RATE_HZ, "end_s": (at + len(sound)) / RATE_HZ})
        at += len(sound) + round(PAUSE_S * RATE_HZ)
    soundfile.write("demo.flac", recording, RATE_HZ, subtype="PCM_16")
    Path("demo.json").write_text(json.dumps(words, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
