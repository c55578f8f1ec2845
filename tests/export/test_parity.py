"""What is compared, and what counts as too far from the trained model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import first_network
from hypothesis import given
from hypothesis import strategies as st

from kws_device import audio_files
from kws_device._support.errors import RequirementError
from kws_device.model.engine import load_engine
from kws_export import limits, parity
from kws_export.files import FLOAT, FLOAT_ONNX, INT8, INT8_ONNX
from kws_training.cli.schemes import load
from kws_training.evaluation.eval_sets import Item, Material, clean_set
from kws_training.evaluation.scoring import engine_predictor


@pytest.fixture(scope="module")
def trial(shipped, demo):
    """Seconds of the demo as if they were words, the shipped first network, and what it was asked."""
    file = first_network(shipped)
    length = file.manifest.front_end.clip_samples
    sound = audio_files.read(demo / "demo.flac", file.manifest.front_end.sample_rate_hz)
    labels = file.manifest.labels["keyword"]
    items = [
        Item(str(n), "", labels[n % len(labels)], sound[n * length : (n + 1) * length]) for n in range(12)
    ]
    sets = [clean_set(Material(items, [], 0), length)]
    asked = parity.of_windows(sets, file.manifest)
    return file, sets, asked


def test_the_sound_ends_with_each_window_just_where_a_decision_falls(trial):
    file, sets, asked = trial
    sound = parity.of_sound(sets, asked, file.manifest, 1000)
    assert len(sound.mels) == 120
    assert np.array_equal(sound.mels[9::10], asked.mels)
    assert np.array_equal(sound.right["keyword"][9::10], asked.right["keyword"])
    assert set(np.delete(sound.right["keyword"], np.s_[9::10])) == {-1}
    assert len(parity.of_sound(sets, asked, file.manifest, 4).mels) == 40


@pytest.mark.parametrize("decision_ms", [100.0, 30.0])
def test_the_device_hears_in_the_sound_what_the_same_engine_says_of_its_mels(trial, decision_ms):
    file, sets, asked = trial
    manifest = replace(file.manifest, decoder=replace(file.manifest.decoder, decision_ms=decision_ms))
    engine = load_engine(file)
    sound = parity.of_sound(sets, asked, manifest, 3)
    said, heard = parity.ask(sound, engine_predictor(engine)), parity.hear(sound, manifest, engine)
    for head, scores in said.items():
        assert np.array_equal(scores, heard[head])
    same = parity.agreement(said, heard)["keyword"]
    assert (same["same_decision"], same["largest_difference"]) == (1, 0)
    assert parity.accuracies(sound, said)["all"]["keyword"]["n"] == 3


LABELS = st.lists(st.integers(-1, 3), min_size=1, max_size=30)


@given(LABELS, st.integers(0, 2**32 - 1))
def test_losses_are_differences_of_accuracies(right, seed):
    rng = np.random.default_rng(seed)
    ours, theirs = ({"keyword": rng.random((len(right), 4)).astype(np.float32)} for _ in range(2))
    trial = parity.Trial(np.zeros((len(right), 1, 1), np.float32), {"keyword": np.array(right)}, {})
    lost = parity.lost(trial, ours, theirs)
    figures = [parity.accuracies(trial, scores)["all"] for scores in (ours, theirs)]
    if set(right) == {-1}:
        assert lost == {}
        assert figures == [{}, {}]
        return
    one, other = (figure["keyword"]["accuracy"] for figure in figures)
    assert lost["keyword"]["points"] == pytest.approx(100 * (one - other), abs=1.1e-3)
    assert figures[0]["keyword"]["n"] == sum(label >= 0 for label in right)


LIMITS = load("default").export


def figures(**changes):
    """Of an export that keeps all limits, but for the changes."""
    found = {
        "sound_windows": 1000, "difference": 1e-7, "same": 0.99, "formats": 0.999,
        "lost": {"windows": 3, "points": 0.3, "ci95": [-0.3, 0.9]}, **changes,
    }  # fmt: skip

    def way(same, difference):
        agreement = {"keyword": {"same_decision": same, "largest_difference": difference}}
        return {"against_keras": agreement, "lost": {"keyword": found["lost"]}}

    exact, int8 = way(1.0, found["difference"]), way(found["same"], 0.5)
    alike = {"keyword": {"same_decision": found["formats"]}}
    return {
        "sound_windows": found["sound_windows"],
        "files": {
            **{name: dict.fromkeys(parity.WAYS, exact) for name in (FLOAT, FLOAT_ONNX)},
            **{name: dict.fromkeys(parity.WAYS, int8) for name in (INT8, INT8_ONNX)},
        },
        "int8_formats_agree": dict.fromkeys(parity.WAYS, alike),
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sound_windows": 999}, "only 999 windows"),
        ({"difference": 0.002}, "kws-float.tflite, keyword head, from numbers: a score is off by 0.002"),
        ({"same": 0.85}, "kws.tflite, keyword head, from numbers: decides like the model in 85.00%"),
        ({"formats": 0.98}, "decide alike in 98.00%"),
        (
            {"lost": {"windows": 6, "points": 0.6, "ci95": [0.2, 1.0]}},
            "loses 0.6 points (95 % interval 0.2 to 1); the limit keyword_loss_points is 0.5",
        ),
    ],
)
def test_every_limit_is_enforced_by_name(changes, words):
    with pytest.raises(RequirementError) as refusal:
        limits.check(figures(**changes), "test", LIMITS)
    assert str(refusal.value).startswith("test: ")
    assert words in str(refusal.value)


def test_within_the_limits_nothing_is_said_and_what_chance_loses_may_be_lost():
    limits.check(figures(), "test", LIMITS)
    limits.check(figures(lost={"windows": 1, "points": 12.5, "ci95": [-30.0, 52.7]}), "test", LIMITS)
    limits.check(figures(same=0.85), "test", limits.in_force(LIMITS, limits.by_hand(["int8_agreement=0.8"])))
