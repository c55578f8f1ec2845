"""One word with pymicro-wakeword, features and model, streaming. Run by its path in the peer's Python.

    python peer_pymicro_wakeword.py SOUND.wav      (16 bit, mono, 16 kHz)

Prints the CPU time of one pass over the sound, in seconds.
"""

import sys
import time
import wave

from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

with wave.open(sys.argv[1]) as file:
    rate, samples = file.getframerate(), file.readframes(file.getnframes())
detector = MicroWakeWord.from_builtin(Model.HEY_JARVIS)
features = MicroWakeWordFeatures()
block = 2 * rate // 10
began_s = time.process_time()
for start in range(0, len(samples), block):
    for frame in features.process_streaming(samples[start : start + block]):
        detector.process_streaming(frame)
print(time.process_time() - began_s)
