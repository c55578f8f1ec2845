"""What a model reports of single windows at its own thresholds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kws_benchmarks.robustness.acceptance import Accepted, by_listening, by_window
from kws_device import Spotter, audio_files
from kws_training.evaluation.eval_sets import Item
from kws_training.evaluation.scoring import Judgement


@pytest.fixture(scope="module")
def judgement(demo):
    """The words of the demo, each in the middle of a second, and a second of silence."""
    sound = audio_files.read(demo / "demo.flac", 16000)
    items = []
    for word in json.loads((demo / "demo.json").read_text()):
        middle = round(16000 * (word["start_s"] + word["end_s"]) / 2)
        items.append(Item("", "", word["word"], sound[middle - 8000 : middle + 8000]))
    items.append(Item("", "", "_silence_", np.zeros(16000, dtype=np.float32)))
    return Judgement("keyword", items, ["yes"] * len(items), np.full(len(items), 0.5))


def test_one_network_reports_what_is_over_its_threshold(judgement):
    manifest = Spotter.load().manifest
    assert set(by_window(manifest)(judgement)) == {None}
    sure = Judgement("keyword", judgement.items, judgement.predicted, np.ones(len(judgement.items)))
    assert set(by_window(manifest)(sure)) == {"yes"}


def test_with_a_verifier_a_window_is_listened_to_as_on_the_device(verified, judgement):
    model = verified / "kws.tflite"
    reports = by_listening(Spotter.load(model))(judgement)
    keywords = Spotter.load(model).manifest.keywords
    right = [said == item.label for said, item in zip(reports, judgement.items, strict=True)]
    spoken = [item.label in keywords for item in judgement.items]
    # Its thresholds are 0: whatever the first network takes for a word is confirmed.
    assert sum(r for r, s in zip(right, spoken, strict=True) if s) > 0.8 * sum(spoken)
    assert reports[-1] is None
    silent = by_listening(Spotter.load(model, thresholds=dict.fromkeys(keywords, 1.0)))
    assert set(silent(judgement)) == {None}


def test_keywords_that_are_heard_and_other_sounds_are_counted_apart(judgement):
    items = [Item("", "anna", label, np.zeros(1)) for label in ("yes", "no", "no", "hello", "hello")]
    told = iter(["yes", "yes", None, "no", None])
    accepted = Accepted(lambda _: list(told), ("yes", "no"))
    accepted.add(Judgement("keyword", items, ["yes"] * 5, np.ones(5)))
    figures = accepted.figures()
    assert (figures["heard"]["share"], figures["heard"]["n"]) == (pytest.approx(1 / 3, abs=1e-4), 3)
    assert (figures["false"]["share"], figures["false"]["n"]) == (0.5, 2)
