"""One word with openWakeWord and ONNX Runtime, streaming. Run by its path in the peer's Python.

    python peer_openwakeword.py SOUND.wav      (16 bit, mono, 16 kHz)

Prints the CPU time of one pass over the sound, in seconds.
"""

import sys
import time
import wave
from pathlib import Path

import numpy as np
import openwakeword
from openwakeword.model import Model

with wave.open(sys.argv[1]) as file:
    rate = file.getframerate()
    samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
word = Path(openwakeword.__file__).parent / "resources" / "models" / "hey_jarvis_v0.1.onnx"
detector = Model(wakeword_models=[str(word)], inference_framework="onnx")
block = 80 * rate // 1000  # what it is made for
began_s = time.process_time()
for start in range(0, len(samples), block):
    detector.predict(samples[start : start + block])
print(time.process_time() - began_s)
