"""One word with pymicro-wakeword, features and model, streaming. Run by its path in the peer's Python.

python peer_pymicro_wakeword.py WORD < SOUND      (see peer_process.py)
"""

import sys
import time

from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

BLOCK = 16_000 * 2 // 10
FRAME_S, HOP_S = 0.03, 0.01

detector = MicroWakeWord.from_builtin(Model(sys.argv[1]))
features = MicroWakeWordFeatures()
print("threshold", detector.probability_cutoff)
frames = 0
began_s = time.process_time()
while sound := sys.stdin.buffer.read(2 * BLOCK):
    for frame in features.process_streaming(sound):
        score = detector.process_streaming_prob(frame)
        # It answers every few frames; what it returns in between is 0.
        if score >= 0.05:
            print("step", frames // detector.stride, FRAME_S + frames * HOP_S, score)
        frames += 1
print("cpu_s", time.process_time() - began_s)
