"""Augmentation: which steps happen, in which order, and the page on which a person sees and hears them."""

from __future__ import annotations

import re
import wave

import numpy as np
import pytest
import synthetic_datasets

from kws_device import InputError
from kws_device.front_end import mel_centres_hz
from kws_training.cli import data as data_command
from kws_training.schemes.verifier.recipe import FORMAT
from kws_training.signal.augment import (
    Step,
    always,
    augmented,
    mic_eq_step,
    spec_augment_step,
    vocal_tract_perturb,
)

SOUND = ["speed_perturb", "reverb", "shift", "neighbour", "background", "gain", "clipping"]
MELS = ["random_mic_eq", "spec_augment"]


def noted(name, prob, kinds=None):
    return Step(name, "", prob, lambda value, rng: [*value, name], kinds)


def test_steps_happen_in_their_order_and_as_often_as_they_say():
    steps = [noted("a", 1.0), noted("b", 0.25), noted("c", 0.0), noted("d", 0.5)]
    rng = np.random.default_rng(0)
    found = [augmented([], steps, rng) for _ in range(2000)]
    assert all(names == sorted(names) for names in found)
    shares = {name: np.mean([name in names for names in found]) for name in "abcd"}
    assert shares == pytest.approx({"a": 1.0, "b": 0.25, "c": 0.0, "d": 0.5}, abs=0.03)


def test_a_step_for_other_kinds_of_windows_changes_nothing_and_draws_nothing():
    both = [noted("a", 0.5), noted("b", 0.5, frozenset({1}))]
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(50):
        assert augmented([], both, one, kind=2) == augmented([], both[:1], other, kind=2)


def test_to_be_looked_at_every_step_happens_that_can():
    steps = always([noted("a", 0.01), noted("b", 0.0), noted("c", 1.0)])
    told = []
    assert augmented([], steps, np.random.default_rng(0), watch=lambda s, v: told.append(s.name)) == [
        "a",
        "c",
    ]
    assert told == ["a", "c"]


def test_a_step_leaves_what_it_was_given_as_it_was():
    mels = np.ones((98, 40), np.float32)
    for step in (mic_eq_step(3.0, 0.5, -100.0), spec_augment_step(2, 12, 2, 5)):
        changed = step.change(mels, np.random.default_rng(3))
        assert (mels == 1).all()
        assert (changed != mels).any()


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return synthetic_datasets.speech_commands(tmp_path_factory.mktemp("speech"))


def sections(page):
    """The names of the steps under each heading."""
    return [re.findall(r"<strong>(.*?)</strong>", text) for text in page.read_text().split("<h2>")[1:]]


def test_every_step_of_the_kits_augmentation_can_be_seen_and_heard(speech, tmp_path):
    out = tmp_path / "page"
    arguments = ["show-augmentation", "default", "--speech", str(speech), "--keywords", "yes,no"]
    assert data_command.main([*arguments, "--out", str(out)]) == 0
    page = out / "index.html"
    word, alone = sections(page)
    assert word == ["as it is", *SOUND, *MELS]
    assert alone == ["as it is", "gain", "clipping", *MELS]
    sounds = re.findall(r'src="([^"]*\.wav)"', page.read_text())
    assert len(sounds) == 1 + len(SOUND) + 3
    for name in sounds:
        with wave.open(str(out / name)) as sound:
            assert (sound.getframerate(), sound.getnchannels()) == (16000, 1)
            assert sound.getnframes() > 4000
    assert page.read_text().count("data:image/png;base64,") == len(word) + len(alone)
    with pytest.raises(InputError, match="page"):
        data_command.main([*arguments, "--out", str(out)])


def test_what_cannot_happen_is_not_shown(speech, tmp_path):
    out = tmp_path / "page"
    never = ["--set", "augmentation.reverb_prob=0", "--set", "augmentation.speed=0"]
    arguments = ["show-augmentation", "default", "--speech", str(speech), "--keywords", "yes,no", *never]
    assert data_command.main([*arguments, "--out", str(out)]) == 0
    assert sections(out / "index.html")[0] == ["as it is", *SOUND[2:], *MELS]


def test_a_verifiers_steps_are_shown_for_each_kind_of_its_windows(speech, tmp_path):
    arguments = ["show-augmentation", "verifier", "--speech", str(speech), "--keywords", "yes,no"]
    assert data_command.main([*arguments, "--negatives", str(speech), "--out", str(tmp_path / "page")]) == 0
    keyword, *others = sections(tmp_path / "page" / "index.html")
    placed = ["speed_perturb", "placement", "reverb", "background"]
    mels = ["vocal_tract_perturb", *MELS]
    assert keyword == ["as it is", *placed, "gain", "clipping", *mels]
    assert all(names[0] == "as it is" and names[-3:] == mels for names in others)


def test_a_recipe_whose_steps_are_pictured_elsewhere_is_refused_with_the_place(speech, tmp_path):
    (tmp_path / "mine.toml").write_text('extends = "run5"')
    arguments = ["show-augmentation", str(tmp_path / "mine.toml"), "--speech", str(speech)]
    with pytest.raises(InputError, match="mixing_steps"):
        data_command.main([*arguments, "--out", str(tmp_path / "page")])
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize("by", [0.85, 0.93, 1.0, 1.1, 1.2])
def test_another_vocal_tract_moves_formants_by_as_much_and_keeps_both_ends(by):
    centres = mel_centres_hz(FORMAT.load("verifier").front_end)
    for formant_hz in (400, 1000, 2500):
        mels = -np.square(np.log(centres / formant_hz))[None].astype(np.float32)
        heard = vocal_tract_perturb(mels, by, centres)
        assert heard.dtype == np.float32
        assert abs(np.abs(centres - formant_hz * by).argmin() - heard.argmax()) <= 1
        assert heard[0, -1] == pytest.approx(mels[0, -1], rel=1e-4)
        if by == 1:
            assert heard == pytest.approx(mels, abs=1e-4)
