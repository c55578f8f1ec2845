"""What is heard as it comes is what the same second would give at once, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import first_network

from kws_device import Spotter, audio_files
from kws_device.front_end import log_mel
from kws_device.model.engine import load_engine
from kws_device.model.recording_engine import RecordingEngine

BLOCKS = (160, 1, 1023, 4096, 777)


def recordings(demo, data):
    """The demo, and a word, a scene and continuous speech that nobody made up, one after the other."""
    yield demo / "demo.flac"
    for pattern in (
        "speech_commands_mini/stop/*.ogg",
        "esc10/audio/4-*.ogg",
        "negatives/eval/**/*.ogg",
        "noise/test/*.ogg",
    ):
        yield sorted(data.glob(pattern))[0]


@pytest.mark.parametrize(
    ("name", "package"),
    [("kws.tflite", "ai_edge_litert"), ("kws.onnx", "onnxruntime"), ("kws-float.onnx", "onnxruntime")],
)
def test_the_scores_of_a_stream_are_those_of_each_second_at_once(name, package, shipped, demo, data):
    pytest.importorskip(package)
    file = first_network(shipped.with_name(name))
    front_end, normalisation = file.manifest.front_end, file.manifest.normalisation
    rate = front_end.sample_rate_hz
    sound = np.concatenate([audio_files.read(path, rate)[: 6 * rate] for path in recordings(demo, data)])
    engine = load_engine(file)
    recording = RecordingEngine(engine)
    spotter = Spotter(file.manifest, recording)
    decisions, start, turn = 0, 0, 0
    while start < len(sound):
        size = BLOCKS[turn % len(BLOCKS)]
        for _ in spotter.decisions_in(sound[start : start + size]):
            at_once = engine.scores(normalisation.apply(log_mel(spotter.clip(), front_end)))
            for head, scores in recording.answer.items():
                assert scores.tobytes() == at_once[head].tobytes()
            decisions += 1
        start, turn = start + size, turn + 1
    assert decisions > 150
