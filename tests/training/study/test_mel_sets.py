"""Words and scenes mixed as spectrograms for evaluation: the right windows, weights and normalisations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kws_device import InputError
from kws_device.front_end import Normalisation, log_mel
from kws_training.cli import schemes
from kws_training.data.corpus import Folders
from kws_training.data.segments import centred
from kws_training.evaluation.eval_sets import Item, Material, Overlay, clean_set, mel_set
from kws_training.evaluation.scoring import inputs, judge_set, validation_arrays, windows_of
from kws_training.loop.manifest import first_manifest

LABELS = {"keyword": ("no", "yes"), "scene": ("dog_bark", "siren")}
WORDS_OWN = Normalisation(tuple(np.linspace(-50, -40, 40)), tuple(np.linspace(8, 12, 40)))
SCENES_OWN = Normalisation((-30.0,) * 40, (20.0,) * 40)
LENGTH = 16000


@pytest.fixture(scope="module")
def manifest():
    return first_manifest(schemes.load("run5"), Folders(), LABELS, WORDS_OWN)


def sound(n, seed):
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def words(*labels):
    return [
        Item(f"{label}/{n}.wav", f"speaker{n}", label, sound(9000 + 1000 * (n % 8), n))
        for n, label in enumerate(labels)
    ]


def scenes(*labels):
    return [
        Item(f"{label}/{n}.wav", f"freesound{n}", label, sound(LENGTH, 100 + n))
        for n, label in enumerate(labels)
    ]


DATA = Material(words("yes", "no", "yes", "no", "yes"), scenes("siren", "dog_bark", "siren"), 0)


def by_hand(window, overlay, manifest, own=None):
    first = (log_mel(window, manifest.front_end) - np.array(WORDS_OWN.mean_db)) / np.array(WORDS_OWN.std_db)
    theirs = own or WORDS_OWN
    second = log_mel(overlay.samples, manifest.front_end) - np.array(theirs.mean_db)
    return overlay.weights[0] * first + overlay.weights[1] * second / np.array(theirs.std_db)


@pytest.mark.parametrize("own", [None, SCENES_OWN], ids=["one normalisation", "one for each dataset"])
def test_weights_are_applied_to_what_was_normalised(manifest, own):
    found = mel_set(DATA, (0.6, 0.4), LENGTH, 1)
    mels = inputs(found.words, manifest, own)
    assert mels.shape == (5, 101, 40)
    assert mels.dtype == np.float32
    for item, word, mel in zip(found.words, DATA.words, mels, strict=True):
        assert np.array_equal(item.samples, centred(word.samples, LENGTH))
        assert item.overlay.weights == (0.6, 0.4)
        assert np.allclose(mel, by_hand(item.samples, item.overlay, manifest, own), atol=1e-4)


def test_windows_with_and_without_an_overlay_can_be_asked_together(manifest):
    plain = Item("a", "s", "yes", sound(LENGTH, 1))
    mixed = replace(plain, overlay=Overlay(sound(LENGTH, 2), (0.5, 0.5)))
    together = inputs([plain, mixed, plain], manifest, SCENES_OWN)
    assert np.array_equal(together[0], together[2])
    assert np.allclose(together[0], inputs([plain], manifest)[0])
    assert np.allclose(together[1], by_hand(plain.samples, mixed.overlay, manifest, SCENES_OWN), atol=1e-4)


def test_both_heads_are_asked_about_the_same_window_of_the_mixture():
    found = mel_set(DATA, (0.6, 0.4), LENGTH, 1)
    assert found.name == "mel60:40"
    assert [item.label for item in found.words] == [item.label for item in DATA.words]
    labels = {id(scene.samples): (scene.label, scene.source) for scene in DATA.scenes}
    for word, scene in zip(found.words, found.scenes, strict=True):
        assert scene.samples is word.samples
        assert scene.overlay is word.overlay
        assert (scene.label, scene.source) == labels[id(scene.overlay.samples)]
    windows = windows_of(found, LABELS)
    assert len(windows.items) == 5
    assert [n for n, _ in windows.asked["keyword"]] == [n for n, _ in windows.asked["scene"]]


def test_a_window_is_computed_once_and_every_head_gets_its_own_answers(manifest):
    found = mel_set(DATA, (0.6, 0.4), LENGTH, 1)
    seen = []

    def predict(mels):
        seen.append(mels)
        answers = np.tile(np.float32([0.2, 0.8]), (len(mels), 1))
        return {"keyword": answers, "scene": answers[:, ::-1]}

    judged = judge_set(found, manifest, predict)
    assert sum(map(len, seen)) == 5
    assert judged["keyword"].predicted == ["yes"] * 5
    assert judged["scene"].predicted == ["dog_bark"] * 5
    assert judged["keyword"].accuracy == pytest.approx(3 / 5)
    assert [item.label for item in judged["scene"].items] == [item.label for item in found.scenes]


def test_words_that_a_head_does_not_know_are_not_asked():
    data = Material(words("yes", "bed", "no", "_silence_"), scenes("siren", "rain"), 0)
    clean = windows_of(clean_set(data, LENGTH), LABELS)
    assert [item.label for _, item in clean.asked["keyword"]] == ["yes", "no"]
    assert [item.label for _, item in clean.asked["scene"]] == ["siren"]
    assert len(clean.items) == 3
    only_words = windows_of(clean_set(data, LENGTH), {"keyword": LABELS["keyword"]})
    assert set(only_words.asked) == {"keyword"}
    assert len(only_words.items) == 2


def test_a_word_that_is_not_asked_is_still_mixed_for_the_scene_head():
    data = Material(words("bed", "yes"), scenes("siren"), 0)
    asked = windows_of(mel_set(data, (0.6, 0.4), LENGTH, 1), LABELS).asked
    assert len(asked["scene"]) == 2
    ((place, item),) = asked["keyword"]
    assert item.label == "yes"
    assert place == asked["scene"][1][0]


def test_scenes_alone_keep_their_own_normalisation(manifest):
    clean = clean_set(DATA, LENGTH, scenes_overlaid=True)
    assert [item.label for item in clean.scenes] == [item.label for item in DATA.scenes]
    expected = SCENES_OWN.apply(log_mel(np.stack([s.samples for s in DATA.scenes]), manifest.front_end))
    assert np.allclose(inputs(clean.scenes, manifest, SCENES_OWN), expected, atol=1e-5)
    spoken = WORDS_OWN.apply(log_mel(np.stack([i.samples for i in clean.words]), manifest.front_end))
    assert np.allclose(inputs(clean.words, manifest, SCENES_OWN), spoken)
    assert len(windows_of(clean, LABELS).items) == 8


def test_pairs_repeat_with_their_seed_and_a_subset_keeps_its_scenes():
    many = Material(words(*["yes"] * 30), scenes(*["siren"] * 9), 0)

    def pairs(data, seed):
        found = mel_set(data, (0.6, 0.4), LENGTH, seed, 0.2)
        return [(item.source, item.overlay.weights) for item in found.scenes]

    whole = pairs(many, 1)
    assert pairs(many, 1) == whole
    assert pairs(many, 2) != whole
    assert pairs(replace(many, words=many.words[:10]), 1) == whole[:10]
    assert len({source for source, _ in whole}) > 5


def test_random_weights_are_drawn_for_each_window_and_keep_their_sum():
    many = Material(words(*["yes"] * 200), DATA.scenes, 0)
    found = np.array([i.overlay.weights for i in mel_set(many, (0.5, 0.5), LENGTH, 1, 0.2).words])
    assert np.allclose(found.sum(axis=1), 1)
    assert len(np.unique(found[:, 0])) == 200
    assert found[:, 0].min() >= 0.3
    assert found[:, 0].max() <= 0.7
    assert np.ptp(found[:, 0]) > 0.35


def test_without_a_scene_to_mix_in_there_is_no_mixed_set():
    with pytest.raises(InputError, match="no scene window"):
        mel_set(replace(DATA, scenes=[]), (0.6, 0.4), LENGTH, 1)


def test_validation_counts_a_window_for_the_heads_that_are_asked(manifest):
    data = Material(words("yes", "bed"), scenes("siren"), 0)
    sets = [clean_set(data, LENGTH, scenes_overlaid=True), mel_set(data, (0.6, 0.4), LENGTH, 1)]
    mels, targets, weights = validation_arrays(sets, manifest, SCENES_OWN)
    assert len(mels) == 2 + 2
    assert weights["keyword"].tolist() == [1, 0, 1, 0]
    assert weights["scene"].tolist() == [0, 1, 1, 1]
    assert targets["keyword"].tolist() == [[0, 1], [0, 0], [0, 1], [0, 0]]
    assert targets["scene"].tolist() == [[0, 0], [0, 1], [0, 1], [0, 1]]
    scene = SCENES_OWN.apply(log_mel(DATA.scenes[0].samples, manifest.front_end))
    assert np.allclose(mels[1], scene, atol=1e-5)
