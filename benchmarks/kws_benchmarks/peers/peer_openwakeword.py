"""One word with openWakeWord and ONNX Runtime, streaming. Run by its path in the peer's Python.

python peer_openwakeword.py WORD < SOUND      (see peer_process.py)
"""

import sys
import time
from pathlib import Path

import numpy as np
import openwakeword
from openwakeword.model import Model

RATE_HZ = 16_000
BLOCK = 80 * RATE_HZ // 1000  # what it is made for

word = Path(openwakeword.__file__).parent / "resources" / "models" / f"{sys.argv[1]}_v0.1.onnx"
detector = Model(wakeword_models=[str(word)], inference_framework="onnx")
print("threshold 0.5")  # as its examples have it
step = 0
began_s = time.process_time()
while sound := sys.stdin.buffer.read(2 * BLOCK):
    (score,) = detector.predict(np.frombuffer(sound, dtype="<i2")).values()
    if score >= 0.05:
        print("step", step, (step + 1) * BLOCK / RATE_HZ, score)
    step += 1
print("cpu_s", time.process_time() - began_s)
