"""kws-bench robustness: the figures are those of the definitions, and they repeat."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import synthetic_datasets
from helpers import first_network, one_line_refusal
from hypothesis import given
from hypothesis import strategies as st

from kws_benchmarks.robustness.clips import Window, balanced
from kws_device.model import model_file


@pytest.fixture(scope="module")
def measured(command, data, tmp_path_factory):
    """A tenth of the test split at two signal-to-noise ratios, by the shipped first network alone."""
    out = tmp_path_factory.mktemp("report")
    file = first_network()
    model = model_file.write(
        tmp_path_factory.mktemp("model") / "first.tflite", file.model, file.manifest
    ).path
    arguments = [
        "kws-bench", "robustness", "--split", "test", "--limit", 180, "--snr", 20, 0,
        "--speech", data / "speech_commands_mini", "--scenes", data / "esc10",
        "--noise", data / "noise" / "test", "--model", model,
    ]  # fmt: skip
    result = command(*arguments, "--out", out)
    assert result.returncode == 0, result.stderr
    return arguments, out


def test_the_report_has_every_set_with_both_heads(measured):
    report = json.loads((measured[1] / "robustness.json").read_text())
    assert report["hash"] == first_network().manifest.hash
    told = ("kind", "with", "ratio", "snr_db", "gain_db", "band_hz", "reverberation_s", "shift_ms")
    assert [tuple(s[key] for key in told if key in s) for s in report["sets"]] == [
        ("clean",),
        ("mel", "scenes", [0.6, 0.4]),
        ("mel", "scenes", [0.5, 0.5]),
        ("waveform", "scenes", 20),
        ("waveform", "scenes", 0),
        ("waveform", "noise", 20),
        ("waveform", "noise", 0),
        ("gain", 20),
        ("gain", -20),
        ("band", [300, 3400]),
        ("room", [0.15, 0.8]),
        ("shift", 50),
        ("shift", 100),
    ]
    for figures in report["sets"]:
        assert ("scene" in figures) == (figures.get("with") != "noise")
        for head in {"keyword", "scene"} & set(figures):
            figure = figures[head]
            assert figure["n"] == 180
            assert figure["ci95"][0] <= figure["accuracy"] <= figure["ci95"][1]
            assert len(figure["per_class"]) == 10
            assert sum(each["n"] for each in figure["per_class"].values()) == 180


def test_the_shipped_model_keeps_its_floors_on_real_recordings(measured):
    report = json.loads((measured[1] / "robustness.json").read_text())
    clean, mostly_word, half_word, easy, hard, *_ = report["sets"]
    assert (mostly_word["set"], half_word["set"]) == ("mel60:40", "mel50:50")
    assert mostly_word["ratio"] == [0.6, 0.4]
    assert mostly_word["keyword"]["accuracy"] >= half_word["keyword"]["accuracy"]
    assert clean["keyword"]["accuracy"] >= 0.92
    assert clean["scene"]["accuracy"] >= 0.62
    assert easy["keyword"]["accuracy"] >= 0.88
    assert hard["keyword"]["accuracy"] < clean["keyword"]["accuracy"]


def test_a_score_does_not_depend_on_where_in_the_second_the_word_lies(measured):
    sets = {
        entry["set"]: entry for entry in json.loads((measured[1] / "robustness.json").read_text())["sets"]
    }
    clean, moved = sets["clean"]["keyword"]["accuracy"], sets["shift50"]["keyword"]["accuracy"]
    assert abs(clean - moved) < 0.03
    assert 0 < sets["shift50"]["answers_changed"] < 0.08  # it was moved, and said the same


def test_predictions_give_the_same_figures(measured):
    report = json.loads((measured[1] / "robustness.json").read_text())
    with (measured[1] / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["set", "clip", "speaker", "head", "label", "predicted", "score"]
    clean = [row for row in rows if row["set"] == "clean" and row["head"] == "keyword"]
    accuracy = np.mean([row["label"] == row["predicted"] for row in clean])
    assert accuracy == pytest.approx(report["sets"][0]["keyword"]["accuracy"], abs=1e-5)


def test_what_is_accepted_follows_from_the_models_own_thresholds(measured):
    report = json.loads((measured[1] / "robustness.json").read_text())
    thresholds = first_network().manifest.decoder.thresholds
    with (measured[1] / "predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["head"] == "keyword"]
    for entry in report["sets"]:
        mine = [row for row in rows if row["set"] == entry["set"]]
        over = [row for row in mine if float(row["score"]) > thresholds.get(row["predicted"], 1.0)]
        heard = [row for row in over if row["label"] == row["predicted"]]
        false = [row for row in over if row["label"] not in thresholds]
        shares = entry["keyword"]["at_thresholds"]
        spoken = sum(row["label"] in thresholds for row in mine)
        # The table's scores are rounded, and one of them may lie upon a threshold.
        assert (shares["heard"]["n"], shares["false"]["n"]) == (spoken, len(mine) - spoken)
        assert shares["heard"]["share"] == pytest.approx(len(heard) / spoken, abs=1.01 / spoken)
        assert shares["false"]["share"] == pytest.approx(len(false) / (len(mine) - spoken), abs=0.03)


def test_words_that_a_model_does_not_have_are_counted_where_they_are_accepted(command, data, tmp_path):
    arguments = ("kws-bench", "robustness", "--split", "all", "--speech", data / "never_heard", "--limit", 40)
    result = command(*arguments, "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    clean = json.loads((tmp_path / "robustness.json").read_text())["sets"][0]
    assert set(clean["keyword"]["at_thresholds"]) == {"false"}
    assert clean["keyword"]["at_thresholds"]["false"]["n"] == 40
    assert "others accepted" in result.stderr


def test_a_run_repeats_byte_for_byte(measured, command, tmp_path):
    arguments, out = measured
    assert command(*arguments, "--out", tmp_path).returncode == 0
    for name in ("robustness.json", "predictions.csv"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


def test_requirements_decide_the_exit_code(measured, command, tmp_path):
    arguments = [*measured[0], "--out", tmp_path, "--limit", 40]
    assert command(*arguments, "--require", "clean=.1", "snr20=.1", "scene-clean=.1").returncode == 0
    result = command(*arguments, "--require", "clean=1.01")
    assert result.returncode == 3
    assert result.stderr.splitlines()[-1].startswith("error: --require is not met: clean: ")


def test_bad_input_is_named_in_one_line(command, data, tmp_path):
    speech, scenes = data / "speech_commands_mini", data / "esc10"
    base = ("kws-bench", "robustness", "--out", tmp_path / "out", "--split", "test")
    one_line_refusal(command(*base), "--speech, --scenes or both")
    us8k = synthetic_datasets.urbansound8k(tmp_path / "us8k")
    one_line_refusal(command(*base, "--scenes", us8k), "scene dog_bark is not one of the model's")
    (tmp_path / "empty").mkdir()
    one_line_refusal(command(*base, "--speech", tmp_path / "empty", "--scenes", scenes), "no audio found")
    one_line_refusal(command(*base, "--speech", speech, "--scenes", scenes, "--require", "clean"), "clean")
    one_line_refusal(command(*base, "--speech", speech, "--scenes", scenes, "--limit", 0), "--limit 0")
    one_line_refusal(command(*base, "--speech", speech, "--snr", "nan"), "--snr nan")
    one_line_refusal(command(*base, "--speech", speech, "--scenes", scenes, "--model", "none"), "none")
    one_line_refusal(command("kws-bench", "nothing"), "nothing")
    assert not (tmp_path / "out").exists()


def test_what_is_not_given_is_not_judged(command, tmp_path):
    speech = synthetic_datasets.speech_commands(tmp_path / "s")
    arguments = ("kws-bench", "robustness", "--split", "test", "--speech", speech, "--out", tmp_path / "out")
    assert command(*arguments).returncode == 0
    clean, *changed = json.loads((tmp_path / "out" / "robustness.json").read_text())["sets"]
    assert set(clean) == {"set", "kind", "keyword"}
    assert {entry["kind"] for entry in changed} == {"gain", "band", "room", "shift"}
    assert clean["keyword"]["n"] == 18 + 2 * 2


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.integers(1, 70))
def test_a_limited_draw_is_balanced_by_class(labels, limit):
    windows = [Window(label, lambda: None) for label in labels]
    drawn = balanced(windows, limit)
    assert len(drawn) == min(limit, len(windows))
    places = [next(n for n, w in enumerate(windows) if w is window) for window in drawn]
    assert places == sorted(set(places))
    taken = {label: sum(window.label == label for window in drawn) for label in set(labels)}
    most = max(taken.values())
    assert all(n >= most - 1 or n == labels.count(label) for label, n in taken.items())
