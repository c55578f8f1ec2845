"""Recipes tell everything, and nothing unknown."""

from __future__ import annotations

import pytest
from helpers import one_line_refusal

from kws_device import InputError
from kws_device._support.schema import plain
from kws_device.front_end import Normalisation
from kws_training.cli import schemes
from kws_training.data.corpus import Folders
from kws_training.loop.manifest import first_manifest
from kws_training.recipes.format import to_toml
from kws_training.recipes.migration import RENAMED
from kws_training.recipes.options import override
from kws_training.schemes.kit.network import multiply_adds, residual_network
from kws_training.schemes.verifier.recipe import FORMAT as VERIFIER


@pytest.mark.parametrize("name", schemes.names())
def test_a_recipe_written_out_reads_back_the_same(name, tmp_path):
    loaded = schemes.load(name)
    (tmp_path / "copy.toml").write_text(to_toml(loaded))
    assert schemes.load(str(tmp_path / "copy.toml")) == loaded


def test_any_value_can_be_set():
    overrides = dict(override(t) for t in ("optimisation.epochs=3", "keywords=['a', 'b']", "name=mine"))
    changed = schemes.load("default", overrides)
    assert (changed.optimisation.epochs, changed.keywords, changed.name) == (3, ("a", "b"), "mine")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"optimisation.epoch": 3}, "optimisation.epoch: no such key"),
        ({"nothing": 3}, "nothing: no such key"),
        ({"seed.deeper": 3}, "seed.deeper: no such key"),
        ({"seed": "one"}, "seed: must be int"),
        ({"seed": True}, "seed: must be int"),
        ({"model.planes": [1, "2"]}, r"planes\[1\]: must be int"),
        ({"front_end.hop_ms": 0}, "hop_ms is 0.0; it must lie between"),
        ({"front_end.hop_ms": 26.0}, "must grow"),
        ({"augmentation.gain_db": float("nan")}, "not a finite number"),
        ({"keywords": []}, "name at least one word"),
        ({"keywords": ["yes", "no", "yes"]}, "yes is there twice"),
        ({"keywords": ["_silence_"]}, "_silence_ is a label of every model"),
        ({"epoch.unknown_share": 0.8}, "sum of .* must be below 1"),
        ({"epoch.unknown_share": 0.715}, "leave less than 1%"),
        ({"epoch.synthetic_keywords_share": 1}, "leave less than 1%"),
        ({"augmentation.snr_max_db": -10}, "snr_max_db must be at least"),
        ({"augmentation.time_mask_frames": 99}, "time_mask_frames is 99; it must lie between 0 and 98"),
        ({"augmentation.mel_mask_bands": 41}, "mel_mask_bands is 41; it must lie between 0 and 40"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        schemes.load("default", change)


def numbers(value, key=""):
    """The dotted keys of a recipe's numbers, and the numbers; of a list only the first."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from numbers(inner, f"{key}.{name}".strip("."))
    elif isinstance(value, list | tuple):
        if value and not isinstance(value[0], str):
            yield key, value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, value


@pytest.mark.parametrize("name", ["default", "run5"])
@pytest.mark.parametrize("extreme", [-(10**12), 10**12, 10**400])
def test_every_number_of_a_recipe_has_a_range(name, extreme):
    for key, value in numbers(plain(schemes.load(name))):
        kind = type(value[0] if isinstance(value, list) else value)
        number = extreme if kind is int or abs(extreme) > 10**300 else float(extreme)
        changed = [number, *value[1:]] if isinstance(value, list) else number
        with pytest.raises(InputError):
            schemes.load(name, {key: changed})


def test_words_that_are_asked_for_are_never_left_out(tmp_path):
    assert schemes.load("default").held_out_words == ("on", "off")
    assert schemes.load("default", {"keywords": ["yes", "on"]}).held_out_words == ("off",)
    both = schemes.load("default", {"keywords": ["on", "off"]})
    assert (both.keywords, both.held_out_words) == (("on", "off"), ())
    (tmp_path / "mine.toml").write_text(to_toml(schemes.load("default")).replace('"yes"', '"on"'))
    assert schemes.load(str(tmp_path / "mine.toml")).held_out_words == ("off",)


def test_what_no_manifest_can_carry_is_refused_before_training(tmp_path):
    normalisation = Normalisation((0.0,) * 40, (1.0,) * 40)
    for change, heads, words in (
        ({"decoder.decision_ms": 33.3}, {"keyword": ("yes", "_unknown_")}, "decision_ms"),
        ({}, {"keyword": ("yes\x1b[2J", "_unknown_")}, "control characters"),
        ({"name": "long " * 50}, {"keyword": ("yes", "_unknown_")}, "name"),
    ):
        with pytest.raises(InputError, match=words):
            first_manifest(schemes.load("default", change), Folders(), heads, normalisation)


def test_a_recipe_with_a_missing_or_an_unknown_key_is_refused(tmp_path):
    text = to_toml(schemes.load("default"))
    (tmp_path / "a.toml").write_text(text.replace("kernel = ", "colonel = "))
    with pytest.raises(InputError, match=r"a\.toml: model: kernel missing"):
        schemes.load(str(tmp_path / "a.toml"))
    (tmp_path / "b.toml").write_text("surprise = 1\n" + text)
    with pytest.raises(InputError, match="unknown surprise"):
        schemes.load(str(tmp_path / "b.toml"))
    (tmp_path / "c.toml").write_text("this is not toml")
    with pytest.raises(InputError, match=r"c\.toml: not TOML"):
        schemes.load(str(tmp_path / "c.toml"))


def test_bad_usage_is_one_line(command, tmp_path):
    one_line_refusal(command("kws-train"), "RECIPE", "--list")
    one_line_refusal(
        command("kws-train", "defualt", "--speech", "a", "--scenes", "b", "--out", "c"), "defualt"
    )
    one_line_refusal(command("kws-train", "default", "--scenes", "b", "--out", "c"), "--speech")
    one_line_refusal(command("kws-train", "run3", "--hard", "a", "--out", "c"), "--hard")
    arguments = (
        "kws-train",
        "default",
        "--speech",
        tmp_path,
        "--scenes",
        tmp_path,
        "--out",
        tmp_path / "run",
    )
    one_line_refusal(command(*arguments), "no audio found")
    one_line_refusal(command(*arguments, "--set", "seed"), "KEY=VALUE")
    one_line_refusal(command(*arguments, "--epochs", "many"), "--epochs")
    assert not (tmp_path / "run").exists()
    assert "default" in command("kws-train", "--list").stdout


@pytest.mark.parametrize(
    ("name", "parameters", "most"),
    [("default", 100_000, 6_000_000), ("accurate", 500_000, 60_000_000), ("tiny", 15_000, 2_000_000)],
)
def test_a_network_keeps_its_size(name, parameters, most):
    loaded = schemes.load(name)
    model = residual_network(loaded.front_end, loaded.model, {"keyword": 10, "scene": 10})
    assert model.count_params() <= parameters
    assert multiply_adds(model) <= most
    assert {head: tuple(output.shape) for head, output in model.output.items()} == {
        "keyword": (None, 10),
        "scene": (None, 10),
    }


def test_multiply_adds_are_counted_as_on_paper():
    import keras

    inputs = keras.Input((10, 4, 1))
    x = keras.layers.Conv2D(3, 5, 2, padding="same")(inputs)
    x = keras.layers.Reshape((5, 6))(x)
    x = keras.layers.Conv1D(7, 3, padding="same")(x)
    x = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling1D()(x))
    assert multiply_adds(keras.Model(inputs, x)) == 5 * 2 * 25 * 3 + 5 * 3 * 6 * 7 + 7 * 2


def test_a_recipe_from_before_mined_sound_is_read_and_means_the_defaults(tmp_path):
    new = schemes.load("default")
    lines = to_toml(new).splitlines()
    old = [line for line in lines if not line.startswith(("hard_share", "hard_weight"))]
    assert len(old) == len(lines) - 2
    (tmp_path / "old.toml").write_text("\n".join(old))
    assert schemes.load(str(tmp_path / "old.toml")) == new
    changed = schemes.load(str(tmp_path / "old.toml"), {"epoch.hard_share": 0.2})
    assert changed.epoch.hard_share == 0.2


def test_a_recipe_says_only_what_differs_from_the_one_that_it_extends(tmp_path):
    (tmp_path / "base.toml").write_text('extends = "default"\nname = "base"\n[model]\nkernel = 7\n')
    (tmp_path / "mine.toml").write_text('extends = "base.toml"\n[model]\nplanes = [8]\n')
    mine, default = schemes.load(str(tmp_path / "mine.toml")), schemes.load("default")
    assert (mine.name, mine.model.kernel, mine.model.planes) == ("base", 7, (8,))
    assert (mine.augmentation, mine.model.stem) == (default.augmentation, default.model.stem)
    assert "extends" not in to_toml(mine)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('extends = "a.toml"', "in a circle"),
        ('extends = "defualt"', "defualt: no such recipe; known are"),
        ('extends = "gone.toml"', "gone.toml: cannot be read"),
        ("extends = 3", "give the name or the file"),
        ('extends = "default"\n[model]\ncolonel = 3', "unknown colonel"),
    ],
)
def test_a_recipe_that_extends_nothing_that_can_be_read_is_refused(text, words, tmp_path):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(InputError, match=words):
        schemes.load(str(tmp_path / "a.toml"))


def in_old_names(text):
    """A recipe's TOML as an earlier version wrote it."""
    table = ""
    lines = []
    for line in text.splitlines():
        if line.startswith("["):
            table = line.strip("[]") + "."
        key = line.partition(" = ")[0]
        old = next((old for old, new in RENAMED.items() if new == table + key), "").rpartition(".")[2]
        lines.append(line.replace(key, old, 1) if old else line)
    return "\n".join(lines)


@pytest.mark.parametrize("name", ["default", "own-words", "run5", "verifier"])
def test_a_recipe_of_an_earlier_version_is_read_under_its_old_names(name, tmp_path):
    load = VERIFIER.load if name == "verifier" else schemes.load
    new = load(name)
    old = in_old_names(to_toml(new))
    assert old != to_toml(new)
    (tmp_path / "old.toml").write_text(old)
    assert load(str(tmp_path / "old.toml")) == new


def test_options_of_an_earlier_version_set_what_they_did():
    changed = schemes.load("default", {"epoch.drawn": 3, "quantisation.aware": True})
    assert (changed.epoch.cached_epochs, changed.quantisation.qat) == (3, True)


def test_a_value_under_its_old_and_its_new_name_is_refused(tmp_path):
    text = to_toml(schemes.load("default"))
    (tmp_path / "both.toml").write_text(text.replace("[epoch]", "[epoch]\ndrawn = 3"))
    with pytest.raises(InputError, match=r"both\.toml: epoch\.drawn is called epoch\.cached_epochs now"):
        schemes.load(str(tmp_path / "both.toml"))
