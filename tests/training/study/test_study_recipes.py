"""The rows of the study's table as recipes: what the text says, and by variant what the code did."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tomli_w

from kws_device import InputError
from kws_device._support.schema import plain
from kws_training.cli import schemes
from kws_training.recipes.format import to_toml
from kws_training.schemes.study.recipe import FORMAT, with_epochs
from kws_training.schemes.study.stages import stage_of

JOINT = ("run3", "run4", "run5", "run6", "runa")
TUNED = {"run7": "run4", "run8": "run5", "run9": "run6"}
ROWS = ("base-scd", "base-usd", *JOINT, *TUNED, "runx")
RATIOS = {
    "base-scd": (1.0, 0.0), "base-usd": (0.0, 1.0), "run3": (1.0, 0.0),
    "run4": (0.5, 0.5), "run5": (0.6, 0.4), "run6": (0.6, 0.4),
    "run7": (0.5, 0.5), "run8": (0.6, 0.4), "run9": (0.6, 0.4),
    "runx": (0.6, 0.4), "runa": (0.55, 0.45),
}  # fmt: skip
RANDOM = {"run6": 0.2, "run9": 0.2, "runa": 0.3}
TABLES = [name for name, value in plain(schemes.load("run5")).items() if isinstance(value, dict)]

EVERYWHERE = {
    "variant": "as-run",
    "front_end.sample_rate_hz": 22050,
    "front_end.window_ms": 18.14,
    "front_end.hop_ms": 7.256,
    "front_end.top_db": 80.0,
    "data.folds": "as-run",
    "data.allow_leaks": True,
    "normalisation.per_dataset": True,
    "normalisation.splits": ["train", "validation", "test"],
    "model.pool_padding": "valid",
}
MIXED = {"mixing.opposite": False}
FIXED = {"mixing.randomness": 0.2}
HEADS = {"model.frozen_heads": True}
ALONE = {"fine_tuning.randomness": 0.2}
DEVIATIONS = {
    "base-scd": EVERYWHERE,
    "base-usd": EVERYWHERE,
    "run3": EVERYWHERE | MIXED | FIXED | HEADS,
    "run4": EVERYWHERE | MIXED | FIXED | HEADS,
    "run5": EVERYWHERE | MIXED | FIXED | HEADS,
    "run6": EVERYWHERE | MIXED | HEADS,
    "run7": EVERYWHERE | MIXED | FIXED | HEADS | ALONE,
    "run8": EVERYWHERE | MIXED | FIXED | HEADS | ALONE,
    "run9": EVERYWHERE | MIXED | HEADS | ALONE,
    "runx": EVERYWHERE | MIXED | FIXED,
    "runa": EVERYWHERE | MIXED | HEADS,
}


def flat(value, prefix=""):
    if not isinstance(value, dict):
        return {prefix[:-1]: value}
    return {k: v for name, inner in value.items() for k, v in flat(inner, f"{prefix}{name}.").items()}


def differences(one, other):
    ours, theirs = flat(plain(one)), flat(plain(other))
    return {key: theirs[key] for key in ours if ours[key] != theirs[key]}


def written(tmp_path, text, name="copy.toml"):
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def test_every_row_of_the_study_is_a_recipe_and_the_kits_own_are_not_among_them():
    study = {name for name in schemes.names() if schemes.load(name).scheme == FORMAT.scheme}
    assert study == set(ROWS)
    assert set(schemes.names()) - study == {"accurate", "default", "own-words", "tiny"}


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_documented_unless_told_otherwise(row):
    loaded = schemes.load(row)
    assert loaded == schemes.load(row, variant="documented")
    assert (loaded.name, loaded.variant, loaded.scheme) == (row, "documented", "spectrogram")
    mixing = loaded.mixing
    assert (mixing.ratio, mixing.randomness, mixing.opposite) == (RATIOS[row], RANDOM.get(row, 0.0), True)
    assert mixing.scale_labels == (row != "runx")
    heads = {"base-scd": ("keyword",), "base-usd": ("scene",), "runx": ("keyword",)}
    assert loaded.model.heads == heads.get(row, ("keyword", "scene"))
    assert not loaded.model.frozen_heads
    tuning = loaded.fine_tuning
    expected = (TUNED[row], ("keyword", "scene"), 20, 0.0) if row in TUNED else ("", (), 0, 0.0)
    assert (tuning.base, tuning.heads, tuning.epochs, tuning.randomness) == expected


@pytest.mark.parametrize("row", ROWS)
def test_the_mixed_column_is_judged_at_a_fixed_ratio_but_for_runs_4_and_7(row):
    judged = schemes.load(row).evaluation
    assert judged.ratio == (RATIOS[row] if min(RATIOS[row]) > 0 else (0.6, 0.4))
    assert judged.randomness == (0.2 if row in ("run4", "run7") else 0.0)


@pytest.mark.parametrize("row", ROWS)
def test_what_all_rows_have_in_common_is_as_the_report_says(row):
    loaded = schemes.load(row)
    front_end = loaded.front_end
    assert (front_end.sample_rate_hz, front_end.window_samples, front_end.hop_samples) == (16000, 400, 160)
    assert (front_end.mels, front_end.fmin_hz, front_end.fmax_hz, front_end.top_db) == (40, 20, 4000, 0)
    assert front_end.frames == 101
    change = loaded.augmentation
    assert (change.shift_share, change.mixup_alpha) == (0.4, 1.0)
    assert min(change.erase_prob, change.flip_prob) > 0
    rates = loaded.optimisation
    assert (rates.epochs, rates.batch_size, rates.half_cycle_epochs) == (150, 32, 1.0)
    assert (rates.learning_rate_min, rates.learning_rate_max) == (7e-5, 7e-4)
    assert (loaded.normalisation.per_dataset, loaded.normalisation.splits) == (False, ("train",))
    assert (loaded.data.folds, loaded.data.allow_leaks) == ("documented", False)


@pytest.mark.parametrize("row", ROWS)
def test_as_run_differs_in_exactly_what_the_report_lists(row):
    as_run = schemes.load(row, variant="as-run")
    assert differences(schemes.load(row), as_run) == DEVIATIONS[row]
    front_end = as_run.front_end
    assert (front_end.window_samples, front_end.hop_samples, front_end.frames) == (400, 160, 138)
    assert front_end.frames_of(4 * 22050) == 552


@pytest.mark.parametrize("row", ROWS)
def test_each_deviation_can_be_switched_alone(row):
    documented, as_run = schemes.load(row), schemes.load(row, variant="as-run")
    for key, value in DEVIATIONS[row].items():
        if key != "model.pool_padding":
            assert differences(documented, schemes.load(row, {key: value})) == {key: value}
        back = flat(plain(documented))[key]
        if key != "front_end.hop_ms":
            assert differences(as_run, schemes.load(row, {key: back}, "as-run")) == {key: back}


@pytest.mark.parametrize(
    ("variant", "change"),
    [("documented", {"model.pool_padding": "valid"}), ("as-run", {"front_end.hop_ms": 10.0})],
)
def test_a_second_with_too_few_frames_for_the_last_pool_is_refused_by_the_name_of_the_setting(
    variant, change
):
    with pytest.raises(InputError, match=r"pool_padding: `valid` leaves nothing of 101 frames.*set it to"):
        schemes.load("run5", change, variant)


@pytest.mark.parametrize("variant", schemes.VARIANTS)
@pytest.mark.parametrize("row", ROWS)
def test_a_resolved_row_reads_back_the_same_and_has_no_variants_any_more(row, variant, tmp_path):
    loaded = schemes.load(row, variant=variant)
    path = written(tmp_path, to_toml(loaded))
    assert schemes.load(path) == loaded
    with pytest.raises(InputError, match="has no variants; leave out --variant"):
        schemes.load(path, variant="as-run")


@pytest.mark.parametrize("row", JOINT)
def test_joint_rows_train_no_head_as_run_and_everything_as_documented(row):
    documented, as_run = (stage_of(schemes.load(row, variant=v)) for v in schemes.VARIANTS)
    assert set(documented.trained) == {"trunk", "keyword", "scene"}
    assert as_run.trained == ("trunk",)
    assert (documented.best, documented.epochs, documented.ratio) == ("keyword", 150, RATIOS[row])


@pytest.mark.parametrize("row", ["base-scd", "base-usd", "runx"])
def test_rows_with_one_head_train_it_in_both_variants(row):
    for variant in schemes.VARIANTS:
        loaded = schemes.load(row, variant=variant)
        stage = stage_of(loaded)
        assert stage.trained == ("trunk", *loaded.model.heads)
        assert stage.best == loaded.model.heads[0]


@pytest.mark.parametrize("row", TUNED)
def test_fine_tuned_rows_train_the_keyword_head_on_words_then_the_scene_head_on_scenes(row):
    for variant, randomness in (("documented", 0.0), ("as-run", 0.2)):
        last = schemes.load(row, variant=variant)
        before = replace(last, fine_tuning=replace(last.fine_tuning, heads=("keyword",)))
        first, second = stage_of(before), stage_of(last)
        assert (first.trained, first.ratio, first.best) == (("keyword",), (1.0, 0.0), "keyword")
        assert (second.trained, second.ratio, second.best) == (("scene",), (0.0, 1.0), "scene")
        assert first.randomness == second.randomness == randomness
        assert first.epochs == second.epochs == 20
        assert len({first.number, second.number, 0}) == 3


@pytest.mark.parametrize("variant", schemes.VARIANTS)
@pytest.mark.parametrize("row", TUNED)
def test_a_fine_tuned_row_without_fine_tuning_is_its_base(row, variant):
    base, tuned = schemes.load(TUNED[row], variant=variant), schemes.load(row, variant=variant)
    changed = set(differences(base, tuned)) - {"name", "about"}
    assert all(key.startswith("fine_tuning.") for key in changed)


def test_fewer_epochs_are_fewer_for_every_head():
    tuned = with_epochs(schemes.load("run7"), 2)
    assert (tuned.optimisation.epochs, tuned.fine_tuning.epochs) == (2, 2)
    joint = with_epochs(schemes.load("run4"), 2)
    assert (joint.optimisation.epochs, joint.fine_tuning.epochs) == (2, 0)
    with pytest.raises(InputError, match="at least 1"):
        with_epochs(joint, 0)


def test_the_kits_own_recipe_has_no_variants():
    for variant in schemes.VARIANTS:
        with pytest.raises(InputError, match="default: has no variants"):
            schemes.load("default", variant=variant)


def test_an_unknown_scheme_is_refused():
    with pytest.raises(InputError, match=r"scheme 'both' is not one of waveform, spectrogram"):
        schemes.load("run5", {"scheme": "both"})


def test_one_schemes_recipe_is_not_the_others(tmp_path):
    text = to_toml(schemes.load("run5"))
    other = written(tmp_path, text.replace('scheme = "spectrogram"', 'scheme = "waveform"'))
    with pytest.raises(InputError, match=r"copy\.toml: .*missing"):
        schemes.load(other)


@pytest.mark.parametrize("table", ["", *TABLES])
def test_a_key_that_nothing_reads_is_refused_in_every_table(table, tmp_path):
    data = plain(schemes.load("run5"))
    place = data[table] if table else data
    place["surplus"] = 1
    with pytest.raises(InputError, match="unknown surplus"):
        schemes.load(written(tmp_path, tomli_w.dumps(data)))


def test_a_deviation_of_a_key_that_does_not_exist_is_refused(tmp_path):
    text = to_toml(schemes.load("run5")) + '\n[as-run]\n"mixing.oposite" = false\n'
    path = written(tmp_path, text)
    assert schemes.load(path).mixing.opposite
    with pytest.raises(InputError, match=r"mixing\.oposite: no such key"):
        schemes.load(path, variant="as-run")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data.folds": "mine"}, "folds must be one of documented, as-run"),
        ({"normalisation.splits": ["train", "tset"]}, "splits must be some of"),
        ({"normalisation.splits": []}, "splits must be some of"),
        ({"augmentation.flip_prob": -0.1}, "flip_prob is -0.1; it must lie between 0 and 1"),
        ({"augmentation.erase_area": [0.5, 0.1]}, "the smaller first"),
        ({"augmentation.erase_area": [0.1]}, "two shares"),
        ({"augmentation.erase_aspect": 0.5}, "between 1 and"),
        ({"mixing.ratio": [0.0, 0.0]}, "not both zero"),
        ({"mixing.ratio": [1.0]}, "two weights"),
        ({"mixing.ratio": [1.2, -0.2]}, "from 0 to 1"),
        ({"mixing.randomness": -0.2}, "randomness is -0.2"),
        ({"model.heads": []}, "heads must be keyword, scene or both"),
        ({"model.heads": ["speaker"]}, "heads must be keyword, scene or both"),
        ({"model.pool_padding": "full"}, "valid or same"),
        ({"optimisation.half_cycle_epochs": 0}, "half_cycle_epochs is 0.0"),
        ({"fine_tuning.heads": ["keyword"]}, "needs a base"),
        ({"fine_tuning.heads": ["keyword"], "fine_tuning.base": "run5"}, "at least 1 epoch"),
        ({"model.heads": ["keyword"], "fine_tuning.heads": ["scene"], "fine_tuning.base": "b",
          "fine_tuning.epochs": 1}, "the model has no head scene"),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_makes_no_run_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        schemes.load("run5", change)


def test_a_scheme_that_is_no_word_is_refused():
    with pytest.raises(InputError, match="scheme"):
        schemes.load("run5", {"scheme": ["waveform"]})


@pytest.mark.parametrize(
    "change",
    [{"evaluation.ratio": [1.0]}, {"evaluation.ratio": []}, {"evaluation.randomness": -0.2}],
    ids=str,
)
def test_a_mixed_evaluation_that_cannot_be_made_is_refused(change):
    with pytest.raises(InputError, match="evaluation"):
        schemes.load("run5", change)


def test_a_variant_that_nobody_knows_is_refused():
    with pytest.raises(InputError, match="as-ran"):
        schemes.load("run5", variant="as-ran")


@pytest.mark.parametrize("row", ["base-usd", "run5"])
def test_a_head_without_data_to_train_it_is_refused(row):
    with pytest.raises(InputError, match="ratio"):
        schemes.load(row, {"model.heads": ["keyword", "scene"], "mixing.ratio": [0.0, 1.0]})
