"""The front end against librosa, and the incremental path against the batch path."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_device import audio_files, model_file
from kws_device.engine import load_engine
from kws_device.front_end import MelConfig, log_mel, mel_filters
from kws_device.spotter import Spotter

CONFIG = MelConfig(
    sample_rate_hz=16000,
    clip_ms=1000.0,
    window_ms=25.0,
    hop_ms=10.0,
    mels=40,
    fmin_hz=20.0,
    fmax_hz=7600.0,
    floor_db=-100.0,
    top_db=0.0,
    centred=False,
)
DOCUMENTED = replace(CONFIG, fmax_hz=4000.0, centred=True)
AS_RUN = replace(DOCUMENTED, sample_rate_hz=22050, window_ms=18.14, hop_ms=7.256, top_db=80.0)
OTHER_RATE = replace(CONFIG, sample_rate_hz=22050, mels=64, fmin_hz=0.0, fmax_hz=11025.0)


def librosa_log_mel(samples, config):
    librosa = pytest.importorskip("librosa", reason="librosa is the reference; not in a device environment")
    mel = librosa.feature.melspectrogram(
        y=samples.astype(np.float64),
        sr=config.sample_rate_hz,
        n_fft=config.window_samples,
        hop_length=config.hop_samples,
        center=config.centred,
        n_mels=config.mels,
        fmin=config.fmin_hz,
        fmax=config.fmax_hz,
    )
    return librosa.power_to_db(
        mel, ref=1.0, amin=10 ** (config.floor_db / 10), top_db=config.top_db or None
    ).T


def sounds(rate, demo):
    t = np.arange(rate) / rate
    impulses = np.zeros(rate)
    impulses[:: rate // 7] = 1.0
    noise = np.random.default_rng(1).standard_normal(rate)
    return {
        "speech": audio_files.read(demo / "demo.flac", rate)[rate : 2 * rate],
        "silence": np.zeros(rate),
        "full-scale tone": np.sin(2 * np.pi * 997 * t),
        "full-scale square": np.sign(np.sin(2 * np.pi * 441 * t)),
        "impulses": impulses,
        "noise at -60 dBFS": 1e-3 * noise,
        "almost silence": 1e-6 * noise,
    }


@pytest.mark.parametrize(
    "config", [CONFIG, DOCUMENTED, AS_RUN, OTHER_RATE], ids=["default", "documented", "as-run", "22050"]
)
def test_mels_equal_librosas_within_a_ten_thousandth_of_a_decibel(config, demo):
    for name, sound in sounds(config.sample_rate_hz, demo).items():
        ours = log_mel(sound.astype(np.float32), config)
        theirs = librosa_log_mel(sound.astype(np.float32), config)
        assert ours.shape == theirs.shape == (config.frames, config.mels), name
        assert np.abs(ours - theirs).max() <= 1e-4, name


def test_the_study_saw_101_frames_and_its_code_138():
    assert (DOCUMENTED.frames, DOCUMENTED.window_samples, DOCUMENTED.hop_samples) == (101, 400, 160)
    assert (AS_RUN.frames, AS_RUN.window_samples, AS_RUN.hop_samples) == (138, 400, 160)


def test_every_filter_has_unit_area_and_hears_something():
    filters = mel_filters(CONFIG)
    assert (filters.max(axis=0) > 0).all()
    bin_hz = CONFIG.sample_rate_hz / CONFIG.window_samples
    wide = filters[:, 20:].sum(axis=0) * bin_hz
    assert np.allclose(wide, 1, atol=0.15)


def test_a_batch_equals_its_clips():
    clips = np.random.default_rng(0).standard_normal((3, 16000)).astype(np.float32)
    assert np.array_equal(log_mel(clips, CONFIG)[1], log_mel(clips[1], CONFIG))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_refused(bad):
    samples = np.zeros(16000, dtype=np.float32)
    samples[9000] = bad
    with pytest.raises(ValueError, match="finite"):
        log_mel(samples, CONFIG)


def test_less_than_a_window_is_refused():
    with pytest.raises(ValueError, match="399 samples are fewer"):
        log_mel(np.zeros(399, dtype=np.float32), CONFIG)


@pytest.mark.parametrize(
    "change",
    [
        {"hop_ms": 30.0},
        {"hop_ms": 0.0},
        {"fmax_hz": 9000.0},
        {"mels": 0},
        {"fmin_hz": 8000.0},
        {"top_db": -1.0},
    ],
)
def test_settings_that_describe_no_front_end_are_refused(change):
    with pytest.raises(ValueError, match="must"):
        replace(CONFIG, **change)


class Recorder:
    """The real engine, keeping the windows that it was shown."""

    def __init__(self, file):
        self.windows = []
        self._engine = load_engine(file)

    def prepare(self, frames):
        return frames

    def run(self, window):
        self.windows.append(window.copy())
        return self._engine.scores(window)


@pytest.fixture(scope="module", params=["as shipped", "centred with top_db"])
def listener(request):
    """The shipped model's file, and the same with a front end whose frames differ from clip to clip."""
    file = model_file.read(model_file.find(None))
    if request.param == "as shipped":
        return file
    # As many frames as the model was made for: 97 hops of 10 ms and the frame in the middle of each end.
    front_end = replace(file.manifest.front_end, clip_ms=970.0, centred=True, top_db=80.0)
    return replace(file, manifest=replace(file.manifest, front_end=front_end))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_the_window_equals_the_batch_computation_at_any_block_size(listener, sizes, seed):
    file = listener
    engine = Recorder(file)
    spotter = Spotter(file.manifest, engine)
    config = file.manifest.front_end
    sound = np.random.default_rng(seed).standard_normal(2 * 16000).astype(np.float32) * 0.1
    start, turn = 0, 0
    while start < len(sound):
        size = sizes[turn % len(sizes)]
        spotter.feed(sound[start : start + size])
        start, turn = start + size, turn + 1
    padded = np.concatenate([np.zeros(config.clip_samples, dtype=np.float32), sound])
    step = round(config.sample_rate_hz * file.manifest.decoder.decision_ms / 1000)
    assert len(engine.windows) == len(sound) // step
    for i, window in enumerate(engine.windows, start=1):
        second = padded[i * step : i * step + config.clip_samples]
        assert np.array_equal(window, file.manifest.normalisation.apply(log_mel(second, config)))
