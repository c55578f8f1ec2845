"""Whether a microphone is fit: real words, and what is done to them by bad gain, plugs and rooms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kws_device import audio_files
from kws_device.mic_check import DEAD_DBFS, examine, figures, report

RATE = 16000


@pytest.fixture(scope="module")
def words(demo):
    """Five seconds in which words are said, over the noise of a room."""
    return audio_files.read(demo / "demo.flac", RATE)[: 5 * RATE]


@pytest.fixture(scope="module")
def clean(words):
    """The same words, with pauses in which next to nothing is heard."""
    said = np.abs(words) > 0.05
    near = np.convolve(said, np.ones(RATE // 10), mode="same") > 0
    hiss = np.random.default_rng(0).normal(0, 1e-4, len(words))
    return (np.where(near, words, 0) + hiss).astype(np.float32)


def findings(*channels):
    return examine(np.stack(channels, axis=1), RATE)


def test_good_speech_is_called_good(clean):
    [sentence] = report(findings(clean))
    assert sentence.startswith("speech stands ")
    assert sentence.endswith(" dB over the noise: good")


@pytest.mark.parametrize("gain_db", [-60, -40, -20, -6])
def test_levels_follow_the_gain_and_the_signal_to_noise_ratio_does_not(gain_db, words):
    [plain] = findings(words).channels
    [scaled] = findings(words * np.float32(10 ** (gain_db / 20))).channels
    for name in ("rms_dbfs", "peak_dbfs", "noise_dbfs", "speech_dbfs"):
        expected = max(-99, getattr(plain, name) + gain_db)
        assert getattr(scaled, name) == pytest.approx(expected, abs=1e-3)
    if gain_db > -60:
        assert scaled.snr_db == pytest.approx(plain.snr_db, abs=1e-3)


def test_a_tone_has_the_levels_of_a_tone():
    tone = 0.5 * np.sin(2 * np.pi * 440 / RATE * np.arange(RATE)).astype(np.float32)
    [channel] = findings(tone).channels
    assert channel.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert channel.rms_dbfs == pytest.approx(-9.03, abs=0.01)
    assert channel.snr_db == pytest.approx(0, abs=0.2)
    assert channel.clipped_share == 0
    assert channel.offset == pytest.approx(0, abs=1e-6)


def test_the_noise_is_what_is_between_the_words(clean):
    room = np.random.default_rng(1).normal(0, 10 ** (-50 / 20), len(clean)).astype(np.float32)
    [channel] = findings(clean + room).channels
    assert channel.noise_dbfs == pytest.approx(-50, abs=1)


def test_too_quiet_says_so(clean):
    assert any(
        "too quiet" in sentence and "raise the gain" in sentence for sentence in report(findings(clean / 50))
    )
    assert not any("too quiet" in sentence for sentence in report(findings(clean)))


def test_too_loud_says_so(clean):
    loud = np.clip(clean * 20, -1, 1)
    assert findings(loud).channels[0].clipped_share > 0.001
    assert any("clips: lower the gain" in sentence for sentence in report(findings(loud)))
    just = clean / np.abs(clean).max()
    assert not any("clips" in sentence for sentence in report(findings(just)))


@pytest.mark.parametrize(("snr_db", "said"), [(6, "too little"), (15, "enough"), (40, "good")])
def test_noise_is_judged(snr_db, said, clean):
    speech_dbfs = findings(clean).channels[0].speech_dbfs
    noise = np.random.default_rng(2).normal(0, 10 ** ((speech_dbfs - snr_db) / 20), len(clean))
    assert said in report(findings((clean + noise).astype(np.float32)))[-1]


def test_nobody_spoke_asks_to_speak():
    hiss = np.random.default_rng(3).normal(0, 0.01, 5 * RATE).astype(np.float32)
    assert "if you did speak" in report(findings(hiss))[-1]


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_a_dead_channel_is_named_and_the_other_one_advised(value, clean):
    dead = np.full_like(clean, value)
    assert report(findings(clean, dead))[0] == "channel 2 is dead: use --channel 1"
    assert report(findings(dead, clean))[0] == "channel 1 is dead: use --channel 2"
    assert findings(dead, clean).best == 1


def test_a_converter_that_flips_its_last_bit_is_dead(clean):
    flips = (np.arange(len(clean)) % 2).astype(np.float32) / 32768
    assert findings(clean, flips).channels[1].dead


def test_the_clearer_channel_is_advised_and_a_clipping_one_is_not(clean):
    far = (clean + np.random.default_rng(4).normal(0, 0.01, len(clean))).astype(np.float32)
    assert report(findings(far, clean))[0] == "channel 2 is clearer than channel 1: use --channel 2"
    assert not any("--channel" in sentence for sentence in report(findings(clean, far)))
    assert not any("--channel" in sentence for sentence in report(findings(clean, clean)))
    assert findings(np.clip(clean * 20, -1, 1), far).best == 1


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_says_where_to_look(channels, clean):
    [sentence] = report(findings(*[np.zeros_like(clean)] * channels))
    assert "nothing but silence" in sentence
    assert "alsamixer" in sentence


def test_an_offset_is_a_fault_of_the_card(clean):
    assert findings(clean + np.float32(0.1)).channels[0].offset == pytest.approx(0.1, abs=1e-3)
    assert any("+10 % of full scale" in sentence for sentence in report(findings(clean + np.float32(0.1))))
    assert findings(clean + np.float32(0.1)).channels[0].snr_db == pytest.approx(
        findings(clean).channels[0].snr_db, abs=0.1
    )


def test_every_channel_has_its_figures(clean):
    lines = figures(findings(clean, clean * 0))
    assert [line.split(":")[0] for line in lines] == ["channel 1", "channel 2"]
    assert "peak -99 dBFS" in lines[1]


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(320, 1000), st.integers(1, 3)),
        elements=st.floats(-2, 2, width=32),
    )
)
@settings(max_examples=100, deadline=None)
def test_any_sound_can_be_examined_and_put_into_words(samples):
    found = examine(samples, RATE)
    assert len(found.channels) == samples.shape[1]
    assert all(line.isprintable() for line in [*report(found), *figures(found)])
    for channel in found.channels:
        assert 0 <= channel.clipped_share <= 1
        assert -99 <= channel.noise_dbfs <= channel.speech_dbfs + 1e-9
        assert channel.dead == (channel.peak_dbfs < DEAD_DBFS) or channel.offset != 0
    if not all(channel.dead for channel in found.channels):
        assert not found.channels[found.best].dead


@pytest.mark.parametrize(
    "samples", [np.zeros((319, 1)), np.zeros((320, 0)), np.zeros(320), np.full((320, 1), np.nan)]
)
def test_what_is_no_recording_is_refused(samples):
    with pytest.raises(ValueError, match=r"needs at least|not finite"):
        examine(samples.astype(np.float32), RATE)
