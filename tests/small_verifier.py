"""A verifier that is trained in seconds, for the shipped first network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kws_device.model import model_file
from kws_device.model.manifest_parts import VerifierConfig
from kws_training.schemes.verifier import settings as verifier_settings
from kws_training.schemes.verifier.settings import Settings

FILES = ("kws.tflite", "kws.onnx", "kws-float.onnx")
SHIPPED = model_file.find(None)
_MANIFEST = model_file.read(SHIPPED).manifest
LABELS = (*_MANIFEST.keywords, "_refused_")


def first_network() -> list[object]:
    """Options of kws-export that name the shipped files."""
    return [part for name in FILES for part in ("--model", SHIPPED.with_name(name))]


def train(folder: Path) -> Path:
    """Train it to tell louder windows from quieter ones, and write its run; returns the folder."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    inputs = keras.Input((238, 40), name="mels")
    x = layers.Reshape((238, 40, 1))(inputs)
    x = layers.Conv2D(4, 3, 4, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, {"verifier": layers.Dense(len(LABELS), "softmax", name="verifier")(x)})
    right = rng.integers(len(LABELS), size=400)
    windows = rng.normal(0, 1, (400, 238, 40)) + 0.3 * (right[:, None, None] - 4)
    model.compile("adam", {"verifier": "sparse_categorical_crossentropy"})
    model.fit(windows, {"verifier": right}, epochs=10, verbose=0)
    model.save(folder / verifier_settings.MODEL)
    np.savez_compressed(folder / verifier_settings.WINDOWS, windows=windows.astype(np.float16))
    settings = Settings(
        first=_MANIFEST.hash,
        verifier=VerifierConfig(
            clip_ms=2400.0,
            delay_ms=300.0,
            looks=1,
            labels=LABELS,
            softmax=False,
            candidate_thresholds=dict.fromkeys(_MANIFEST.keywords, 0.4),
            first_weight=0.5,
            scale=1.0,
            offset=0.0,
            sha256="",
        ),
        candidate_smoothing_s=0.2,
        thresholds=dict.fromkeys(_MANIFEST.keywords, 0.0),
        false_accepts_per_hour=None,
        sources=(),
        recipe={"name": "small", "seed": 1},
        metrics={},
    )
    verifier_settings.write(settings, folder)
    return folder
