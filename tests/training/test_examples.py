"""Training windows: what is in them, and that they can be drawn again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic_datasets
from helpers import level_dbfs

from kws_device.front_end import Normalisation
from kws_training.cli import schemes
from kws_training.data.corpus import (
    Corpus,
    Folders,
    Recording,
    head_label,
    keyword_labels,
    load_corpus,
)
from kws_training.data.layouts import Clip
from kws_training.data.mined import Stretch
from kws_training.schemes.kit.examples import Examples
from kws_training.signal.augment import random_mic_eq, shifted, spec_augment, speed_perturb

RECIPE = schemes.load("default", {"keywords": ["yes", "no"], "epoch.least_windows": 0})
LABELS = keyword_labels(RECIPE.keywords)
PLAIN = dict.fromkeys(
    ("speed", "reverb_prob", "shift_ms", "fragment_prob", "neighbour_prob", "gain_db", "clipping_prob"), 0.0
)


def plain_normalisation():
    return Normalisation((0.0,) * 40, (1.0,) * 40)


def with_augmentation(**values):
    return replace(RECIPE, augmentation=replace(RECIPE.augmentation, **values))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    folders = Folders(
        synthetic_datasets.speech_commands(folder / "s"), synthetic_datasets.esc50(folder / "e")
    )
    return load_corpus(folders, RECIPE.keywords, 16000, "train")


def test_an_epoch_holds_every_keyword_clip_once_and_the_shares_of_the_recipe(corpus):
    examples = Examples(corpus, RECIPE)
    plan = examples.plan(np.random.default_rng(0))
    keywords = [i for i, r in enumerate(corpus.speech) if r.label in RECIPE.keywords]
    assert sorted(i for i in plan if i in keywords) == keywords
    assert (plan == -1).mean() == pytest.approx(RECIPE.epoch.silence_share, abs=0.02)
    unknown = [i for i in plan if i >= 0 and corpus.speech[i].label == "_unknown_"]
    assert len(unknown) / len(plan) == pytest.approx(RECIPE.epoch.unknown_share, abs=0.02)
    assert (plan == -2).sum() == 0


def test_mined_sound_is_no_word_at_the_time_at_which_it_fired(corpus):
    n = round(2.1 * 16000)
    stretch = Stretch(np.arange(1, n + 1, dtype=np.float32) / n, round(1.8 * 16000), "yes", 0.9, "a")
    recipe = replace(
        with_augmentation(**PLAIN),
        epoch=replace(RECIPE.epoch, least_windows=500, hard_share=0.2, hard_weight=3.0),
    )
    examples = Examples(replace(corpus, hard=[stretch]), recipe)
    plan = examples.plan(np.random.default_rng(0))
    assert (plan == -3).mean() == pytest.approx(0.2, abs=0.02)
    sounds, targets = examples.draw(np.full(50, -3), np.random.default_rng(1))
    assert (targets.keyword == LABELS.index("_unknown_")).all()
    assert (targets.keyword_weight == 3.0).all()
    assert not targets.scene_weight.any()
    ends_s = (np.round(sounds[:, -1] * n) - stretch.at) / 16000
    assert -0.6 <= ends_s.min() < -0.4
    assert 0.0 < ends_s.max() <= 0.2
    assert (Examples(corpus, recipe).plan(np.random.default_rng(0)) != -3).all()


def test_without_scenes_and_noise_there_is_speech_and_next_to_nothing(corpus):
    examples = Examples(replace(corpus, scenes=[], noise=[]), with_augmentation(**PLAIN, clean_prob=0.0))
    sounds, targets = examples.draw(np.array([-1, 0]), np.random.default_rng(0))
    assert level_dbfs(sounds[0]) < -55
    assert targets.scene_weight.sum() == 0
    word = corpus.speech[0].samples
    assert level_dbfs(sounds[1]) == pytest.approx(
        level_dbfs(word) + 10 * np.log10(len(word) / 16000), abs=0.1
    )


def test_synthetic_voices_say_the_shares_of_the_recipe_and_every_recording_is_heard_still(corpus):
    said = [
        Recording(np.full(8000, 0.1, dtype=np.float32), label, Clip(Path(f"{i}.flac"), word, None, "voice"))
        for i in range(3)
        for label, word in (("yes", "yes"), ("_unknown_", "yet"), ("_unknown_", RECIPE.held_out_words[0]))
    ]
    shares = {"least_windows": 1000, "synthetic_keywords_share": 0.2, "synthetic_unknown_share": 0.5}
    recipe = replace(RECIPE, epoch=replace(RECIPE.epoch, **shares))
    plan = Examples(replace(corpus, voices=said), recipe).plan(np.random.default_rng(0))
    recorded = [i for i, r in enumerate(corpus.speech) if r.clip.label not in RECIPE.held_out_words]
    keywords = [n for n, i in enumerate(recorded) if corpus.speech[i].label in RECIPE.keywords]
    assert set(keywords) <= set(plan)
    synthetic = plan[plan >= len(recorded)] - len(recorded)
    assert len(set(synthetic)) == 6  # those of words that are left out are left out here, too
    spoken = np.isin(plan, keywords).sum() + (synthetic % 2 == 0).sum()
    assert (synthetic % 2 == 0).sum() / spoken == pytest.approx(0.2, abs=0.02)
    assert (synthetic % 2 == 1).sum() / len(plan) == pytest.approx(RECIPE.epoch.unknown_share / 2, abs=0.02)


def test_where_nobody_recorded_other_words_synthetic_voices_say_them_all(corpus):
    own = replace(corpus, speech=[r for r in corpus.speech if r.label in RECIPE.keywords])
    town = Recording(np.full(8000, 0.1, np.float32), "_unknown_", Clip(Path("t.flac"), "town", None, "voice"))
    plan = Examples(replace(own, voices=[town]), RECIPE).plan(np.random.default_rng(0))
    assert (plan == len(own.speech)).mean() == pytest.approx(RECIPE.epoch.unknown_share, abs=0.02)


def test_few_clips_are_repeated_until_an_epoch_is_long_enough(corpus):
    longer = replace(RECIPE, epoch=replace(RECIPE.epoch, least_windows=1000))
    plan = Examples(corpus, longer).plan(np.random.default_rng(0))
    keywords = [i for i, r in enumerate(corpus.speech) if r.label in RECIPE.keywords]
    repeats = {int((plan == i).sum()) for i in keywords}
    assert len(repeats) == 1
    assert 1000 <= len(plan) < 1000 + 2 * len(keywords) + 10


def test_negatives_take_their_share_where_they_are_given(corpus):
    running = replace(corpus, negatives=[np.ones(50000, dtype=np.float32) * 0.1])
    plan = Examples(running, RECIPE).plan(np.random.default_rng(0))
    assert (plan == -2).mean() == pytest.approx(RECIPE.epoch.negatives_share, abs=0.02)


def test_words_that_are_left_out_train_nothing_not_even_as_neighbours(corpus):
    alone = replace(corpus, speech=[item for item in corpus.speech if item.clip.label in ("yes", "no")])
    without = replace(RECIPE, held_out_words=("bed", "cat", "two"))
    assert {item.clip.label for item in corpus.speech} - {"yes", "no", *without.held_out_words} == set()
    plan = Examples(alone, without).plan(np.random.default_rng(0))
    assert np.array_equal(Examples(corpus, without).plan(np.random.default_rng(0)), plan)
    sounds, _ = Examples(corpus, without).draw(plan, np.random.default_rng(1))
    assert np.array_equal(sounds, Examples(alone, without).draw(plan, np.random.default_rng(1))[0])


@pytest.mark.parametrize("keywords", [["yes", "bed"], ["bed"]])
def test_keywords_that_the_recipe_leaves_out_train_all_the_same(corpus, keywords):
    recipe = schemes.load("default", {"keywords": keywords, "held_out_words": ["bed", "on"]})
    labelled = [replace(r, label=head_label(r.clip.label, keywords)) for r in corpus.speech]
    examples = Examples(replace(corpus, speech=labelled), recipe)
    plan = examples.plan(np.random.default_rng(0))
    _, targets = examples.draw(plan[:600], np.random.default_rng(1))
    assert (targets.keyword == keywords.index("bed")).sum() > 50


def test_a_piece_of_running_speech_stands_alone_in_the_window_as_a_word_does(corpus):
    still = with_augmentation(clean_prob=1.0, **PLAIN)
    pieces = replace(still, epoch=replace(still.epoch, pieces_prob=1.0))
    running = replace(corpus, negatives=[np.full(50000, 0.1, dtype=np.float32)])
    sounds, targets = Examples(running, pieces).draw(np.full(50, -2), np.random.default_rng(0))
    lengths_s = (sounds != 0).sum(axis=1) / 16000
    assert lengths_s.min() > 0.2
    assert lengths_s.max() < 0.85
    assert {LABELS[label] for label in targets.keyword} == {"_unknown_"}


def test_a_loud_window_is_cut_off_at_full_scale_where_the_recipe_says_so(corpus):
    plan = np.array([i for i, r in enumerate(corpus.speech) if r.label == "yes"][:10])
    for share, most in ((1.0, 1.0), (0.0, np.inf)):
        loud = with_augmentation(**{**PLAIN, "clean_prob": 1.0, "gain_db": 60.0, "clipping_prob": share})
        peaks = np.abs(Examples(corpus, loud).draw(plan, np.random.default_rng(0))[0]).max(axis=1)
        assert (peaks <= most).all()
        assert peaks.max() >= min(most, 2)


def test_a_word_over_talk_stands_above_it_and_says_nothing_of_a_scene(corpus):
    talking = with_augmentation(
        clean_prob=0.0, babble_prob=1.0, babble_snr_min_db=6.0, snr_max_db=6.0, **PLAIN
    )
    running = replace(corpus, negatives=[np.full(50000, 0.1, dtype=np.float32)])
    plan = np.array([i for i, r in enumerate(corpus.speech) if r.label == "yes"][:10])
    sounds, targets = Examples(running, talking).draw(plan, np.random.default_rng(0))
    alone, _ = Examples(corpus, with_augmentation(clean_prob=1.0, **PLAIN)).draw(
        plan, np.random.default_rng(0)
    )
    for window, word, index in zip(sounds, alone, plan, strict=True):
        talk_dbfs = level_dbfs(window - word)
        assert level_dbfs(corpus.speech[index].samples) - talk_dbfs == pytest.approx(6, abs=0.1)
    assert {LABELS[label] for label in targets.keyword} == {"yes"}
    assert targets.scene_weight.sum() == 0


def test_a_teacher_shares_in_the_targets_where_it_is_right_about_them(corpus):
    from kws_training.schemes.kit.batches import Drawn

    class Teacher:
        def scores(self, mels):
            sure = np.full((len(mels), len(LABELS)), 0.1, dtype=np.float32)
            sure[:, LABELS.index("yes")] = 0.7
            return {"keyword": sure}

    still = replace(
        with_augmentation(clean_prob=1.0, **PLAIN),
        optimisation=replace(RECIPE.optimisation, batch_size=64, teacher_share=0.5),
    )
    labels = {"keyword": len(LABELS), "scene": 2}
    taught, alone = (
        drawn.batch(drawn.plan(0)[:64], 0, 0)
        for drawn in (Drawn(Examples(corpus, still), still, labels, t) for t in (Teacher(), None))
    )
    assert np.array_equal(taught[0], alone[0])
    yes = alone[1]["keyword"].argmax(axis=1) == LABELS.index("yes")
    assert 0 < yes.sum() < 64
    assert np.allclose(taught[1]["keyword"][yes], 0.05 + 0.5 * np.eye(len(LABELS))[LABELS.index("yes")] * 1.6)
    assert np.array_equal(taught[1]["keyword"][~yes], alone[1]["keyword"][~yes])


def test_epochs_repeat_after_so_many_of_them_with_other_masks(corpus):
    from kws_training.schemes.kit.batches import Batches, Drawn

    repeating = replace(
        RECIPE,
        epoch=replace(RECIPE.epoch, cached_epochs=2),
        optimisation=replace(RECIPE.optimisation, epochs=5, batch_size=16),
    )
    unmasked = replace(repeating, augmentation=replace(repeating.augmentation, time_masks=0, mel_masks=0))
    labels = {"keyword": len(LABELS), "scene": 2}

    def epochs(recipe, numbers):
        drawn = Drawn(Examples(corpus, recipe), recipe, labels)
        return [list(Batches(drawn, recipe, plain_normalisation(), n)) for n in numbers]

    def same(one, other):
        return all(np.array_equal(a, b) for a, b in zip(leaves(one), leaves(other), strict=True))

    def leaves(batches):
        return [
            array
            for mels, wanted, weights in batches
            for array in (mels, *wanted.values(), *weights.values())
        ]

    first, second, third, _, fifth = epochs(unmasked, range(5))
    assert same(first, third)
    assert same(first, fifth)
    assert not same(first, second)
    masked = epochs(repeating, range(5))
    assert not same(masked[0], masked[2])
    # A run that is resumed has kept nothing, and must not notice.
    assert same(masked[3], epochs(repeating, [3])[0])


def test_a_word_in_a_room_is_still_the_word_and_as_loud_as_before(corpus):
    dry = with_augmentation(clean_prob=1.0, **PLAIN)
    wet = with_augmentation(clean_prob=1.0, **{**PLAIN, "reverb_prob": 1.0})
    plan = np.array([i for i, r in enumerate(corpus.speech) if r.label == "yes"][:10])
    one, _ = Examples(corpus, dry).draw(plan, np.random.default_rng(0))
    other, targets = Examples(corpus, wet).draw(plan, np.random.default_rng(0))
    assert {LABELS[label] for label in targets.keyword} == {"yes"}
    assert not np.allclose(one, other, atol=1e-3)
    for before, after in zip(one, other, strict=True):
        assert level_dbfs(after) == pytest.approx(level_dbfs(before), abs=0.1)


def test_the_same_generator_draws_the_same_windows(corpus):
    examples = Examples(corpus, RECIPE)
    plan = examples.plan(np.random.default_rng(1))[:32]
    one, targets = examples.draw(plan, np.random.default_rng(2))
    again, others = examples.draw(plan, np.random.default_rng(2))
    different, _ = examples.draw(plan, np.random.default_rng(3))
    assert np.array_equal(one, again)
    assert all(
        np.array_equal(a, b) for a, b in zip(vars(targets).values(), vars(others).values(), strict=True)
    )
    assert not np.array_equal(one, different)


def test_without_augmentation_a_clip_stays_as_it_was_recorded(corpus):
    examples = Examples(corpus, with_augmentation(clean_prob=1.0, **PLAIN))
    plan = np.arange(len(corpus.speech))
    sounds, targets = examples.draw(plan, np.random.default_rng(0))
    for window, recording, label, weight in zip(
        sounds, corpus.speech, targets.keyword, targets.keyword_weight, strict=True
    ):
        assert np.allclose(
            window[window != 0].sum(), recording.samples[recording.samples != 0].sum(), atol=1e-3
        )
        assert LABELS[label] == recording.label
        assert weight == 1
    assert targets.scene_weight.sum() == 0


def test_a_scene_trains_its_head_only_where_it_can_be_heard(corpus):
    for snr_db, heard in ((-5.0, 1.0), (40.0, 0.0)):
        levels = dict.fromkeys(("snr_min_db", "snr_max_db", "babble_snr_min_db"), snr_db)
        mixed = with_augmentation(clean_prob=0.0, scene_prob=1.0, **levels, **PLAIN)
        _, targets = Examples(corpus, mixed).draw(np.arange(20), np.random.default_rng(0))
        assert (targets.scene_weight == heard).all()


def test_a_cut_word_becomes_unknown_or_does_not_count(corpus):
    cut = with_augmentation(**{**PLAIN, "clean_prob": 1.0, "fragment_prob": 1.0})
    spoken = np.array([i for i, r in enumerate(corpus.speech) if r.label == "yes"] * 20)
    sounds, targets = Examples(corpus, cut).draw(spoken, np.random.default_rng(0))
    for window, label, weight, index in zip(
        sounds, targets.keyword, targets.keyword_weight, spoken, strict=True
    ):
        whole = np.sum(np.square(corpus.speech[index].samples, dtype=np.float64))
        lost = 1 - np.sum(np.square(window, dtype=np.float64)) / whole
        assert lost > 0.02
        # The synthetic tones swell and fade: a tenth of their length at an end is next to nothing.
        assert (LABELS[label], weight) == ("_unknown_", 1) or (LABELS[label] == "yes" and weight == 0)
    assert 0.15 < (targets.keyword_weight == 0).mean() < 0.35


def test_background_alone_is_silence_to_the_keyword_head(corpus):
    sounds, targets = Examples(corpus, RECIPE).draw(np.full(200, -1), np.random.default_rng(0))
    assert {LABELS[label] for label in targets.keyword} == {"_silence_"}
    assert np.isfinite(sounds).all()
    assert 0.3 < targets.scene_weight.mean() < 0.9
    assert min(level_dbfs(window) for window in sounds) < -60


def test_every_other_word_is_unknown_and_rare_ones_are_heard_more_often_than_recorded():
    clips = [("common", 90), ("rare", 10)]
    speech = [
        Recording(np.ones(100, dtype=np.float32), "_unknown_", Clip(Path(w), w, "train", str(i)))
        for w, n in clips
        for i in range(n)
    ] + [
        Recording(np.ones(100, dtype=np.float32), "yes", Clip(Path("yes"), "yes", "train", str(i)))
        for i in range(1000)
    ]
    scenes = [Recording(np.ones(32000, dtype=np.float32), "rain", Clip(Path("r"), "rain", "train", "1"))]
    plan = Examples(Corpus(speech, scenes, [], []), RECIPE).plan(np.random.default_rng(0))
    drawn = [speech[i].clip.label for i in plan if i >= 0]
    assert drawn.count("rare") / (drawn.count("rare") + drawn.count("common")) == pytest.approx(
        0.25, abs=0.06
    )


def test_shifting_moves_and_pads():
    window = np.arange(1, 6, dtype=np.float32)
    assert shifted(window, 2).tolist() == [0, 0, 1, 2, 3]
    assert shifted(window, -2).tolist() == [3, 4, 5, 0, 0]
    assert shifted(window, 0).tolist() == window.tolist()
    assert shifted(window, 9).tolist() == [0] * 5


def test_masks_blank_whole_frames_and_bands_and_no_more_than_allowed():
    for seed in range(30):
        frames = np.ones((98, 40), dtype=np.float32)
        frames = spec_augment(frames, np.random.default_rng(seed), 2, 12, 2, 5)
        blank_frames = int((frames == 0).all(axis=1).sum())
        blank_bands = int((frames == 0).all(axis=0).sum())
        assert blank_frames <= 24
        assert blank_bands <= 10
        assert (frames == 0).sum() == blank_frames * 40 + blank_bands * 98 - blank_frames * blank_bands


@pytest.mark.parametrize("by", [0.85, 1.0, 1.2])
def test_faster_is_shorter_and_higher_by_as_much(by):
    clip = np.sin(2 * np.pi * 500 * np.arange(16000) / 16000).astype(np.float32)
    played = speed_perturb(clip, by)
    assert len(played) == pytest.approx(16000 / by, abs=2)
    spectrum = np.abs(np.fft.rfft(played * np.hanning(len(played))))
    assert spectrum.argmax() * 16000 / len(played) == pytest.approx(500 * by, abs=2)


def test_another_microphone_is_smooth_over_the_bands_and_a_narrow_one_lacks_an_end():
    for seed in range(50):
        smooth = random_mic_eq(40, np.random.default_rng(seed), 3.0, 0.0)
        assert np.abs(np.diff(smooth, 2)).max() < 5
        assert np.abs(smooth).max() < 15
        narrow = random_mic_eq(40, np.random.default_rng(seed), 0.0, 1.0)
        assert narrow.max() == 0
        assert min(narrow[0], narrow[-1]) < -2
        assert (narrow[8:18] == 0).all()
    assert not random_mic_eq(40, np.random.default_rng(0), 0.0, 0.0).any()


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_memory_bounds_what_is_kept_and_changes_no_window(corpus, share):
    from kws_training.schemes.kit.batches import Batches, Drawn

    repeating = replace(
        RECIPE,
        epoch=replace(RECIPE.epoch, cached_epochs=2),
        optimisation=replace(RECIPE.optimisation, epochs=5, batch_size=16),
    )
    labels = {"keyword": len(LABELS), "scene": 2}
    examples = Examples(corpus, repeating)
    whole = Drawn(examples, repeating, labels)
    bounded = Drawn(examples, repeating, labels, most_bytes=share * whole.repeated_bytes)
    for epoch in range(4):
        for ours, theirs in zip(
            *(Batches(drawn, repeating, plain_normalisation(), epoch) for drawn in (bounded, whole)),
            strict=True,
        ):
            assert np.array_equal(ours[0], theirs[0])
            assert all(np.array_equal(ours[1][head], theirs[1][head]) for head in labels)
    assert whole.kept_bytes == whole.repeated_bytes
    assert bounded.kept_bytes <= share * whole.repeated_bytes
    assert (bounded.kept_bytes > 0) == (share > 0)


def test_where_no_epoch_repeats_nothing_is_kept(corpus):
    from kws_training.schemes.kit.batches import Drawn

    once = replace(RECIPE, epoch=replace(RECIPE.epoch, cached_epochs=RECIPE.optimisation.epochs))
    drawn = Drawn(Examples(corpus, once), once, {"keyword": len(LABELS), "scene": 2})
    drawn.batch(drawn.plan(0)[:4], 0, 0)
    assert (drawn.repeated_bytes, drawn.kept_bytes) == (0, 0)
