"""The front end against librosa, and the incremental path against the batch path."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers import first_network
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_device import audio_files
from kws_device.front_end import MelConfig, Normalisation, log_mel, mel_filters
from kws_device.model.engine import load_engine
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
OTHER_RATE = replace(CONFIG, sample_rate_hz=22050, hop_ms=220 / 22.05, mels=64, fmin_hz=0.0, fmax_hz=11025.0)


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
    """The shipped first network's file, and one with a front end whose frames differ from clip to clip."""
    file = first_network()
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


def test_a_hop_that_is_no_whole_number_of_samples_is_refused_where_frames_are_kept():
    with pytest.raises(ValueError, match=r"hop_ms 10 is 220\.5 samples at 22050 Hz") as refused:
        replace(CONFIG, sample_rate_hz=22050)
    named = float(re.search(r"number: ([\d.]+) is 220$", str(refused.value))[1])
    assert replace(CONFIG, sample_rate_hz=22050, hop_ms=named).hop_samples == 220
    for recomputed in ({"centred": True}, {"top_db": 80.0}):
        assert replace(CONFIG, sample_rate_hz=22050, **recomputed).hop_samples == 220


class Shown:
    """In place of an engine: keeps the windows that it is shown, and says the same to all."""

    def __init__(self, labels):
        self.windows = []
        self._scores = {head: np.zeros(len(names), np.float32) for head, names in labels.items()}

    def prepare(self, frames):
        return frames

    def run(self, window):
        self.windows.append(window.copy())
        return self._scores


@st.composite
def front_ends(draw):
    """Settings of a front end that keeps frames, and a number of hops from decision to decision."""
    rate_hz = draw(
        st.sampled_from([4000, 8000, 11025, 16000, 22050, 44100, 48000]) | st.integers(4000, 48000)
    )
    whole_ms = st.integers(-(-2 * rate_hz // 1000), rate_hz // 50).map(lambda hop: 1000 * hop / rate_hz)
    hop_ms = draw(whole_ms | st.sampled_from([5.0, 8.0, 10.0, 12.5]) | st.floats(2.0, 20.0))
    window_ms = min(250.0, hop_ms * draw(st.floats(1.0, 4.0)))
    clip_ms = max(50.0, 11 * hop_ms, window_ms * draw(st.floats(1.0, 12.0)))
    fmax_hz = draw(st.floats(0.3, 1.0)) * rate_hz / 2
    front_end = {
        "sample_rate_hz": rate_hz,
        "clip_ms": clip_ms,
        "window_ms": window_ms,
        "hop_ms": hop_ms,
        "mels": draw(st.integers(1, 80)),
        "fmin_hz": draw(st.floats(0.0, 0.5)) * fmax_hz,
        "fmax_hz": fmax_hz,
        "floor_db": draw(st.floats(-120.0, -40.0)),
        "top_db": 0.0,
        "centred": False,
    }
    # The shortest step between two decisions is 10 ms.
    fewest, most = -(-10 // hop_ms), 1 + (clip_ms - window_ms) // hop_ms
    return front_end, draw(st.integers(int(min(fewest, most)), int(most)))


@settings(deadline=None, max_examples=100)
@given(
    settings_and_hops=front_ends(),
    sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_front_end_hears_as_sound_comes_what_it_hears_at_once_or_is_refused(
    settings_and_hops, sizes, seed
):
    front_end, hops = settings_and_hops
    shipped = first_network().manifest
    try:
        config = MelConfig(**front_end)
        manifest = replace(
            shipped,
            front_end=config,
            normalisation=Normalisation((-50.0,) * config.mels, (15.0,) * config.mels),
            decoder=replace(shipped.decoder, decision_ms=hops * config.hop_ms),
            verifier=None,
        )
    except ValueError:
        hop = front_end["sample_rate_hz"] * front_end["hop_ms"] / 1000
        assert abs(hop - round(hop)) > 1e-6 or hops * front_end["hop_ms"] < 10
        return
    engine = Shown(manifest.labels)
    spotter = Spotter(manifest, engine)
    step = hops * config.hop_samples
    rng = np.random.default_rng(seed)
    sound = (rng.standard_normal(4 * step + config.clip_samples) * 0.1).astype(np.float32)
    start, turn = 0, 0
    while start < len(sound):
        size = sizes[turn % len(sizes)]
        list(spotter.feed(sound[start : start + size]))
        start, turn = start + size, turn + 1
    assert len(engine.windows) == len(sound) // step
    padded = np.concatenate([np.zeros(config.clip_samples, dtype=np.float32), sound])
    for i, window in enumerate(engine.windows, start=1):
        clip = padded[i * step : i * step + config.clip_samples]
        assert np.array_equal(window, manifest.normalisation.apply(log_mel(clip, config)))
