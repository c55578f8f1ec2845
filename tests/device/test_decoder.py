"""When scores become events."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from helpers import first_network
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_device import Spotter
from kws_device.decoder import Decoder
from kws_device.model import model_file

MANIFEST = first_network().manifest
LABELS = MANIFEST.head("keyword").labels
SCENES = MANIFEST.head("scene").labels


def manifest(smoothing_s=0.0, refractory_s=0.5, threshold=0.6):
    heads = tuple(replace(head, smoothing_s=smoothing_s) for head in MANIFEST.heads)
    thresholds = dict.fromkeys(MANIFEST.keywords, threshold)
    decoder = replace(MANIFEST.decoder, refractory_s=refractory_s, thresholds=thresholds)
    return replace(MANIFEST, heads=heads, decoder=decoder)


def scores(word="_silence_", p=1.0, scene="rain"):
    """`p` for the word, the rest for silence."""
    keyword = np.zeros(len(LABELS), dtype=np.float32)
    keyword[LABELS.index("_silence_")] = 1 - p
    keyword[LABELS.index(word)] += p
    return {"keyword": keyword, "scene": np.eye(len(SCENES), dtype=np.float32)[SCENES.index(scene)]}


def run(decoder, sequence):
    decisions = [decoder.decide(s, round((i + 1) / 10, 3)) for i, s in enumerate(sequence)]
    return [decision.event for decision in decisions if decision.event]


def test_a_word_is_reported_once_at_the_first_decision_over_its_threshold():
    events = run(Decoder(manifest()), [scores()] * 3 + [scores("yes", 0.9)] * 6 + [scores()] * 3)
    assert [(e.keyword, e.start_s, e.end_s, e.score, e.scene) for e in events] == [
        ("yes", -0.6, 0.4, 0.9, "rain")
    ]


def test_a_score_at_the_threshold_is_not_over_it():
    assert run(Decoder(manifest(threshold=0.5)), [scores("yes", 0.5)] * 5) == []


def test_a_score_that_is_no_number_is_over_no_threshold():
    nan = {"keyword": np.full(len(LABELS), np.nan, np.float32), "scene": scores()["scene"]}
    assert run(Decoder(manifest(threshold=0.0)), [nan] * 3) == []


def test_a_word_that_does_not_lead_its_head_is_not_reported():
    both = scores("yes", 0.45)
    both["keyword"][LABELS.index("no")] = 0.5
    both["keyword"][LABELS.index("_silence_")] = 0.05
    assert run(Decoder(manifest(threshold=0.3)), [both] * 3)[0].keyword == "no"
    assert len(run(Decoder(manifest(threshold=0.3)), [both] * 3)) == 1


def test_unknown_and_silence_are_never_events():
    assert run(Decoder(manifest()), [scores("_unknown_")] * 5 + [scores("_silence_")] * 5) == []


def test_the_refractory_time_counts_from_the_fall_of_the_score():
    held = [scores("go", 0.9)] * 8
    soon = run(Decoder(manifest(refractory_s=0.5)), [*held, *[scores()] * 4, scores("go", 0.9)])
    late = run(Decoder(manifest(refractory_s=0.5)), [*held, *[scores()] * 5, scores("go", 0.9)])
    assert [e.end_s for e in soon] == [0.1]
    assert [e.end_s for e in late] == [0.1, 1.4]


def test_one_words_refractory_time_does_not_silence_another():
    events = run(Decoder(manifest()), [scores("go", 0.9), scores("stop", 0.9)])
    assert [e.keyword for e in events] == ["go", "stop"]


def test_smoothing_averages_over_its_time():
    events = run(Decoder(manifest(smoothing_s=0.3)), [scores("up", 0.9)] * 3)
    assert [(e.end_s, e.score) for e in events] == [(0.3, 0.9)]
    assert run(Decoder(manifest(smoothing_s=0.3)), [scores("up", 1.0), scores(), scores()]) == []


def test_thresholds_belong_to_a_keyword():
    thresholds = {**manifest().decoder.thresholds, "left": 0.95}
    one = replace(manifest(), decoder=replace(manifest().decoder, thresholds=thresholds))
    assert run(Decoder(one), [scores("left", 0.9)] * 3) == []
    assert len(run(Decoder(one), [scores("right", 0.9)] * 3)) == 1


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(LABELS), st.floats(0, 1), st.sampled_from(["rain", "dog"])), max_size=60
    ),
    st.integers(0, 60),
)
def test_a_reset_decoder_equals_a_new_one(stream, cut):
    settings = with_decoder(
        manifest(smoothing_s=0.3), smoothing_s={"up": 0.5}, scene_thresholds={"dog": {"yes": 0.8}}
    )
    sequence = [scores(*moment) for moment in stream]
    used = Decoder(settings)
    run(used, sequence[:cut])
    used.reset()
    assert run(used, sequence) == run(Decoder(settings), sequence)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(LABELS), st.floats(0, 1)), max_size=80))
def test_two_reports_of_a_word_are_apart_by_a_fall_and_the_refractory_time(stream):
    events = run(Decoder(manifest(refractory_s=0.5)), [scores(word, p) for word, p in stream])
    for word in MANIFEST.keywords:
        times = [e.end_s for e in events if e.keyword == word]
        assert all(later - earlier >= 0.6 - 1e-9 for earlier, later in pairwise(times))


def test_a_model_without_a_scene_head_reports_no_scene():
    alone = replace(manifest(), heads=(manifest().head("keyword"),))
    (event,) = run(Decoder(alone), [scores("yes", 0.9)])
    assert (event.scene, event.scene_score) == (None, None)


def test_a_model_without_a_keyword_head_reports_nothing():
    decoder = replace(manifest().decoder, thresholds={})
    alone = replace(manifest(), heads=(manifest().head("scene"),), decoder=decoder)
    assert run(Decoder(alone), [scores("yes", 0.9)] * 3) == []


@pytest.mark.parametrize("times", [1, 1000, 1_000_000])
def test_times_do_not_depend_on_how_long_it_has_listened(times):
    decoder = Decoder(manifest())
    end_s = round(times / 10, 3)
    assert decoder.decide(scores("yes", 0.9), end_s).event.start_s == round(end_s - 1, 3)


def with_decoder(base, **changes):
    return replace(base, decoder=replace(base.decoder, **changes))


def test_a_keyword_may_be_smoothed_over_a_time_of_its_own():
    own = with_decoder(manifest(smoothing_s=0.1), smoothing_s={"up": 0.4})
    up = run(Decoder(own), [scores("up", 0.9)] * 5)
    down = run(Decoder(own), [scores("down", 0.9)] * 5)
    assert [(e.end_s, e.score) for e in up] == [(0.3, 0.675)]
    assert [(e.end_s, e.score) for e in down] == [(0.1, 0.9)]


def test_a_threshold_may_depend_on_the_scene_that_leads():
    beside = with_decoder(manifest(threshold=0.6), scene_thresholds={"chainsaw": {"yes": 0.95}})
    assert len(run(Decoder(beside), [scores("yes", 0.9, "rain")] * 3)) == 1
    assert run(Decoder(beside), [scores("yes", 0.9, "chainsaw")] * 3) == []
    assert len(run(Decoder(beside), [scores("no", 0.9, "chainsaw")] * 3)) == 1


def test_a_scene_that_comes_up_while_a_word_is_held_does_not_report_it_twice():
    beside = with_decoder(manifest(refractory_s=0.5), scene_thresholds={"chainsaw": {"yes": 0.95}})
    rain, chainsaw = scores("yes", 0.9, "rain"), scores("yes", 0.9, "chainsaw")
    assert len(run(Decoder(beside), [rain, rain, chainsaw, chainsaw, rain])) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scene_thresholds": {"opera": {"yes": 0.5}}}, "opera"),
        ({"scene_thresholds": {"rain": {"maybe": 0.5}}}, "maybe"),
        ({"scene_thresholds": {"rain": {"yes": 1.5}}}, "between 0 and 1"),
        ({"smoothing_s": {"maybe": 0.5}}, "maybe"),
        ({"smoothing_s": {"yes": -1.0}}, "smoothing_s of yes is -1.0"),
    ],
)
def test_decoder_settings_that_do_not_fit_the_model_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        with_decoder(manifest(), **changes)


def test_a_threshold_given_by_hand_counts_in_every_scene(tmp_path):
    file = first_network()
    beside = with_decoder(file.manifest, scene_thresholds={"rain": {"yes": 0.95, "no": 0.9}})
    path = tmp_path / "beside.tflite"
    model_file.write(path, file.model, beside)
    decoder = Spotter.load(path, {"yes": 0.5}).manifest.decoder
    assert decoder.thresholds["yes"] == 0.5
    assert decoder.scene_thresholds == {"rain": {"no": 0.9}}
