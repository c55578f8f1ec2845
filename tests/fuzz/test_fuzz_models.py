"""Model files from strangers: whatever is in them, they are listened with or refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from fuzz.model_files import ModelMutants
from helpers import first_network

from kws_device import audio_files
from kws_device.model import containers, model_file
from kws_device.model.manifest_json import to_json


@pytest.fixture(scope="module")
def sound(demo, tmp_path_factory):
    """The first words of the demo, with silence around them."""
    samples = audio_files.read(demo / "demo.flac", 16000)[: 2 * 16000]
    path = tmp_path_factory.mktemp("sound") / "words.wav"
    soundfile.write(path, np.concatenate([samples, np.zeros(8000)]), 16000)
    return path


@pytest.mark.parametrize(("kind", "mutants"), [("tflite", 150), ("onnx", 50)])
def test_mutants_of_a_model_are_used_or_refused(kind, mutants, sound, campaign):
    """ONNX Runtime is imported by each process anew, since its threads survive no fork: fewer mutants."""
    file = first_network(model_file.find("tiny", [kind]))
    content = containers.join(file.model, to_json(file.manifest).encode())
    campaign(kind, ModelMutants(content, sound), mutants)
