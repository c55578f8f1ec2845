"""kws-bench compare: what got better or worse beyond chance, from one report to another."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from helpers import one_line_refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_benchmarks.robustness.compare import compare, corrected, exchange_test
from kws_benchmarks.robustness.predictions import predictions, read
from kws_device import InputError
from kws_training.evaluation.eval_sets import Item
from kws_training.evaluation.scoring import Judgement

SPEAKERS, CLIPS = 60, 5


def write(folder, right, split="test", limit=None, label="yes"):
    """A report; `right` is by set: shape (speakers, clips)."""
    folder.mkdir()
    report = {"model": folder.name, "hash": "0" * 64, "split": split, "limit": limit, "sets": []}
    (folder / "robustness.json").write_text(json.dumps(report))
    with (folder / "predictions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["set", "clip", "speaker", "head", "label", "predicted", "score"])
        for name, answers in right.items():
            for (speaker, clip), is_right in np.ndenumerate(answers):
                predicted = label if is_right else "no"
                table.writerow([name, f"{speaker}-{clip}", speaker, "keyword", label, predicted, "0.9"])
    return folder


def answers(share, seed=0):
    return np.random.default_rng(seed).random((SPEAKERS, CLIPS)) < share


def test_a_model_against_itself_shows_no_difference(tmp_path):
    a = write(tmp_path / "a", {"clean": answers(0.9), "snr0": answers(0.7)})
    found = compare(a, a)
    assert [(e["set"], e["difference"], e["verdict"]) for e in found["sets"]] == [
        ("clean", 0, "same"),
        ("snr0", 0, "same"),
    ]
    assert all(e["p"] == e["p_corrected"] == 1 for e in found["sets"])


def test_a_real_difference_is_found_in_its_direction_and_only_where_it_is(tmp_path, command):
    same, before = answers(0.9), answers(0.7, 1)
    after = before | answers(0.5, 2)
    a = write(tmp_path / "a", {"clean": same, "snr0": before})
    b = write(tmp_path / "b", {"clean": same, "snr0": after})
    clean, noisy = compare(a, b)["sets"]
    assert (clean["verdict"], noisy["verdict"]) == ("same", "better")
    assert noisy["difference"] == pytest.approx(after.mean() - before.mean(), abs=1e-5)
    assert 0 < noisy["ci95"][0] < noisy["difference"] < noisy["ci95"][1]
    assert compare(b, a)["sets"][1]["verdict"] == "worse"

    result = command("kws-bench", "compare", a, b, "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout) == compare(a, b)
    assert "better snr0" in result.stderr
    assert "no difference beyond chance: clean (keyword)" in result.stderr


def test_a_difference_of_one_speaker_alone_is_no_difference_beyond_chance(tmp_path):
    before = answers(0.5)
    before[0] = False
    after = before.copy()
    after[0] = True
    a, b = write(tmp_path / "a", {"clean": before}), write(tmp_path / "b", {"clean": after})
    assert compare(a, b)["sets"][0]["verdict"] == "same"


def test_clips_that_only_one_was_asked_about_are_left_out(tmp_path):
    a = write(tmp_path / "a", {"clean": answers(0.9)})
    b = write(tmp_path / "b", {"clean": answers(0.9)[:40], "snr0": answers(0.5)})
    (entry,) = compare(a, b)["sets"]
    assert (entry["n"], entry["left_out"], entry["difference"]) == (40 * CLIPS, 20 * CLIPS, 0)


def test_reports_that_cannot_be_compared_are_named(tmp_path, command):
    a = write(tmp_path / "a", {"clean": answers(0.9)})
    other = write(tmp_path / "validation", {"clean": answers(0.9)}, split="validation")
    fewer = write(tmp_path / "fewer", {"clean": answers(0.9)}, limit=50)
    words = write(tmp_path / "words", {"clean": answers(0.9)}, label="up")
    (tmp_path / "empty").mkdir()
    one_line_refusal(command("kws-bench", "compare", a, other), "--split validation")
    one_line_refusal(command("kws-bench", "compare", a, fewer), "--limit 50")
    one_line_refusal(command("kws-bench", "compare", a, words), "no clips of the same sets and labels")
    one_line_refusal(
        command("kws-bench", "compare", a, tmp_path / "empty"), "robustness.json", "name a report"
    )
    for content in (
        "nothing\n1\n",
        "set,clip\n1\n",
        "set\n" + "x" * 200_000,
        "set\n\xff",
        "set,clip\n1,2,3\n",
    ):
        (a / "predictions.csv").write_text(content, encoding="latin-1")
        one_line_refusal(command("kws-bench", "compare", a, a), "predictions.csv", "make it again")
    for odd in ([], {}, {"hash": 3}, {"model": None}, {"split": ["test"]}, "[" * 100_000, "\xff"):
        base = json.loads((other / "robustness.json").read_text())
        text = odd if isinstance(odd, str) else json.dumps(base | odd if odd else odd)
        (words / "robustness.json").write_text(text, encoding="latin-1")
        with pytest.raises(InputError, match=r"robustness\.json: not a report"):
            compare(words, words)
    (a / "predictions.csv").write_text("nothing\n1\n")
    one_line_refusal(command("kws-bench", "compare", a, other.parent / "a"), "predictions.csv")


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "'=1", "'", "a,b\n", "plain", ""])
def test_no_name_becomes_a_formula_and_every_name_reads_back(name, tmp_path):
    item = Item(name, name, name, np.zeros(1, np.float32))
    with predictions(tmp_path, ["clean"], ["keyword"]) as written:
        written.add("clean", Judgement("keyword", [item], [name], np.array([0.5])))
    with (tmp_path / "predictions.csv").open(newline="") as file:
        (cells,) = list(csv.reader(file))[1:]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
    (row,) = read(tmp_path)
    told = ("clean", name, name, "keyword", name, name, "0.5000")
    assert tuple(row.values()) == told


@pytest.mark.parametrize(
    "content", ["[" * 900 + "]" * 900, '{"model": 1, "hash": {}, "split": "test", "limit": null}', "[]"]
)
def test_a_report_that_is_none_is_named(content, tmp_path, command):
    for side in ("a", "b"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "robustness.json").write_text(content)
    result = command("kws-bench", "compare", tmp_path / "a", tmp_path / "b")
    one_line_refusal(result, tmp_path / "a" / "robustness.json", "not a report of kws-bench robustness")


def test_chance_is_found_no_more_often_than_it_should_be():
    """Equal models, four clips a speaker that stand or fall together."""
    rng = np.random.default_rng(0)
    gains = 4 * (rng.integers(2, size=(300, 50)) - rng.integers(2, size=(300, 50)))
    found = np.mean([exchange_test(row) < 0.05 for row in gains])
    assert 0.01 < found < 0.09


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_which_of_two_models_comes_first_does_not_matter(gains):
    assert exchange_test(np.array(gains)) == exchange_test(-np.array(gains))


def test_few_speakers_have_the_exact_p_value():
    assert exchange_test(np.array([1, 1, 1, 1, 1])) == pytest.approx(2 / 32, abs=0.01)
    assert exchange_test(np.array([0, 0])) == 1


def test_several_tests_are_corrected_as_holm_says():
    assert corrected([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert corrected([0.9, 0.8]) == [1.0, 1.0]
    assert corrected([]) == []
