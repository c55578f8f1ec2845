"""The second look: which candidates the verifier is asked about, when, and what its answer makes of them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from helpers import first_network
from hypothesis import given
from hypothesis import strategies as st

from kws_device import InputError, Spotter
from kws_device.decoder import Decoder
from kws_device.model import model_file
from kws_device.model.manifest import SCHEMA
from kws_device.model.manifest_json import parse, to_json
from kws_device.model.manifest_parts import VerifierConfig
from kws_device.verifier import Verifier, final_score, log_odds

FILE = first_network()
LABELS = FILE.manifest.head("keyword").labels
KEYWORDS = FILE.manifest.keywords
OUTPUT = (*KEYWORDS, "_refused_")
CONFIG = VerifierConfig(
    clip_ms=2400.0,
    delay_ms=300.0,
    looks=1,
    labels=OUTPUT,
    softmax=True,
    candidate_thresholds=dict.fromkeys(KEYWORDS, 0.4),
    first_weight=0.0,
    scale=1.0,
    offset=0.0,
    sha256="",
)


def manifest(threshold=0.5, refractory_s=0.5, **changes):
    """The shipped manifest without smoothing, with a verifier."""
    heads = tuple(replace(head, smoothing_s=0.0) for head in FILE.manifest.heads)
    decoder = replace(
        FILE.manifest.decoder, thresholds=dict.fromkeys(KEYWORDS, threshold), refractory_s=refractory_s
    )
    return replace(
        FILE.manifest, schema=SCHEMA, heads=heads, decoder=decoder, verifier=replace(CONFIG, **changes)
    )


class Answers:
    """A verifier's engine that says what it was told to, and keeps what it was shown."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.shown = []

    def scores(self, window):
        self.shown.append(window.copy())
        word, p = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        found = np.full(len(OUTPUT), (1 - p) / (len(OUTPUT) - 1), dtype=np.float32)
        found[OUTPUT.index(word)] = p
        return {"verifier": found}


def scores(word="_silence_", p=1.0):
    found = np.zeros(len(LABELS), dtype=np.float32)
    found[LABELS.index("_silence_")] = 1 - p
    found[LABELS.index(word)] += p
    return {"keyword": found, "scene": np.eye(10, dtype=np.float32)[0]}


def hear(settings, engine, sequence):
    """The decisions on a sequence of the first network's scores."""
    decoder, verifier = Decoder(settings), Verifier(settings, engine)
    return [decoder.decide(s, round((i + 1) / 10, 3), verifier.look) for i, s in enumerate(sequence)]


def events(decisions):
    return [(d.event.keyword, d.event.end_s) for d in decisions if d.event]


WORD = [scores()] * 3 + [scores("yes", 0.9)] * 2 + [scores()] * 10


def test_a_candidate_that_is_confirmed_is_reported_after_the_delay():
    decisions = hear(manifest(), Answers(("yes", 0.8)), WORD)
    (event,) = [d.event for d in decisions if d.event]
    assert (event.keyword, event.end_s, event.score, event.verified) == ("yes", 0.7, 0.8, True)


def test_a_candidate_that_is_refused_is_not_reported():
    assert events(hear(manifest(), Answers(("_refused_", 0.9)), WORD)) == []


def test_a_candidate_taken_for_another_keyword_is_not_reported():
    assert events(hear(manifest(), Answers(("no", 0.9)), WORD)) == []


def test_nothing_is_asked_without_a_candidate():
    engine = Answers(("yes", 1.0))
    hear(manifest(), engine, [scores("yes", 0.4), scores("_unknown_", 1.0)] * 20)
    assert engine.shown == []


def test_a_refused_word_that_goes_on_is_looked_at_again():
    engine = Answers(("_refused_", 0.9), ("yes", 0.9))
    assert events(hear(manifest(), engine, [scores("yes", 0.9)] * 12)) == [("yes", 0.8)]


def test_a_word_that_goes_on_is_reported_once():
    assert len(events(hear(manifest(), Answers(("yes", 0.9)), [scores("yes", 0.9)] * 60))) == 1


def test_a_word_said_again_is_reported_again_after_the_refractory_time():
    again = [*WORD, *WORD]
    assert len(events(hear(manifest(), Answers(("yes", 0.9)), again))) == 2
    assert len(events(hear(manifest(refractory_s=3.0), Answers(("yes", 0.9)), again))) == 1


def test_the_log_odds_of_several_looks_are_averaged():
    engine = Answers(("yes", 0.5), ("yes", 0.9))
    decisions = hear(manifest(looks=2), engine, WORD)
    (event,) = [d.event for d in decisions if d.event]
    assert (event.end_s, event.score) == (0.8, 0.75)  # log-odds of 0.5 and 0.9: 0 and log(9)


def test_the_first_network_has_its_weight_and_the_score_its_calibration():
    config = replace(CONFIG, first_weight=0.5, scale=2.0, offset=-1.0)
    score = final_score(config, 0.9, [math.log(3)])
    assert score == pytest.approx(1 / (1 + math.exp(1 - 2 * (math.log(3) + 0.5 * math.log(9)))))


@given(st.floats(0, 1))
def test_log_odds_are_finite_and_belong_to_their_score(score):
    z = log_odds(score)
    assert abs(z) < 14
    assert 1 / (1 + math.exp(-z)) == pytest.approx(score, abs=2e-6)


@given(st.lists(st.sampled_from([*KEYWORDS, "_unknown_"]), min_size=20, max_size=60), st.floats(0.05, 0.95))
def test_other_thresholds_can_be_tried_on_the_decisions_of_one_pass(words, threshold):
    sequence = [scores(word, 0.9) for word in words]
    answers = [("yes", 0.9), ("no", 0.4), ("_refused_", 0.8), ("go", 0.7)] * 20
    heard = hear(manifest(), Answers(*answers), sequence)
    directly = hear(manifest(threshold), Answers(*answers), sequence)
    decoder = Decoder(manifest(threshold))
    replayed = [decoder.decide_smoothed(d.scores, d.end_s, d.verified) for d in heard]
    assert [d.event for d in replayed] == [d.event for d in directly]


def test_the_verifier_sees_the_stretch_up_to_its_decision():
    class Silent:
        prepare = staticmethod(lambda frames: frames)

        def run(self, window):
            return scores("yes", 0.9) if np.any(window[-3:] > window.min() + 1e-3) else scores()

    engine = Answers(("yes", 0.9))
    settings = manifest()
    spotter = Spotter(settings, Silent(), verifier=engine)
    rng = np.random.default_rng(1)
    sound = rng.normal(0, 0.1, 16000 * 4).astype(np.float32)
    spotter.feed(sound)
    from kws_device.front_end import log_mel

    (first, *_) = engine.shown
    # The first decision, at 0.1 s, makes the candidate; the look comes 0.3 s later.
    padded = np.concatenate([np.zeros(round(16000 * 2.0), np.float32), sound[: round(16000 * 0.4)]])
    assert first.shape == (238, 40)
    expected = settings.normalisation.apply(log_mel(padded, settings.front_end))
    np.testing.assert_array_equal(first, expected)
    assert spotter.clip().shape == (16000,)
    np.testing.assert_array_equal(spotter.stretch(), sound[-round(16000 * 2.4) :])


def test_a_spotter_wants_the_verifier_of_its_manifest():
    with pytest.raises(ValueError, match="verifier"):
        Spotter(manifest(), Answers(("yes", 1.0)))
    with pytest.raises(ValueError, match="verifier"):
        Spotter(FILE.manifest, Answers(("yes", 1.0)), verifier=Answers(("yes", 1.0)))


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_a_file_with_a_verifier_is_read_as_it_was_written(tmp_path, suffix):
    file = model_file.read(model_file.find(None).with_suffix(suffix))
    path = tmp_path / f"two{suffix}"
    written = model_file.write(path, file.model, manifest(), verifier=file.model)
    again = model_file.read(path)
    assert again == written
    assert again.verifier == again.model == file.model
    changed = path.read_bytes()
    if suffix == ".tflite":
        changed = changed.replace(b"kws-verifier", b"kws-verifieR")
    else:  # the file ends with the field of the verifier: its number and length, and the verifier
        changed = changed[: -len(file.model)] + file.model[::-1]
    path.write_bytes(changed)
    with pytest.raises(InputError, match="verifier"):
        model_file.read(path)


def test_another_verifier_than_the_manifests_is_refused(tmp_path):
    other = model_file.read(model_file.find("tiny")).model
    written = model_file.write(tmp_path / "two.tflite", FILE.model, manifest(), verifier=FILE.model)
    from kws_device.model import containers

    text = to_json(written.manifest).encode()
    (tmp_path / "two.tflite").write_bytes(containers.join(FILE.model, text, other))
    with pytest.raises(InputError, match="its verifier is not the one of its manifest"):
        model_file.read(tmp_path / "two.tflite")


def test_manifest_and_verifier_come_together(tmp_path):
    with pytest.raises(ValueError, match="together"):
        model_file.write(tmp_path / "a.tflite", FILE.model, manifest())
    with pytest.raises(ValueError, match="together"):
        model_file.write(tmp_path / "a.tflite", FILE.model, FILE.manifest, verifier=FILE.model)


def test_a_file_of_schema_3_keeps_its_bytes(tmp_path):
    assert FILE.manifest.schema == 3
    written = model_file.write(tmp_path / "one.tflite", FILE.model, FILE.manifest)
    again = model_file.read(written.path)
    assert again.manifest == FILE.manifest
    copy = model_file.write(tmp_path / "copy.tflite", again.model, again.manifest)
    assert copy.path.read_bytes() == written.path.read_bytes()
    text = to_json(FILE.manifest)
    assert "verifier" not in json.loads(text)
    with pytest.raises(InputError, match="schema 3 has no verifier"):
        parse(text.replace("{", '{"verifier":null,', 1), "some.tflite")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"labels": OUTPUT[1:]}, "must know every keyword"),
        ({"labels": ("yes", "yes")}, "not distinct"),
        ({"candidate_thresholds": {"yes": 0.5}}, "candidate_thresholds must be those of"),
        ({"candidate_thresholds": dict.fromkeys(KEYWORDS, 1.5)}, "candidate threshold of"),
        ({"clip_ms": 900.0}, "at least those of the front end"),
        ({"clip_ms": 2405.0}, "whole hops"),
        ({"clip_ms": 60_000.0}, "clip_ms"),
        ({"delay_ms": 250.0}, "whole number of decisions"),
        ({"delay_ms": 1e6}, "delay_ms"),
        ({"looks": 0}, "looks"),
        ({"scale": 0.0}, "scale"),
        ({"offset": 1e9}, "offset"),
        ({"first_weight": -1.0}, "first_weight"),
    ],
)
def test_a_verifier_that_does_not_fit_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        manifest(**change)


def test_a_verifier_needs_schema_4():
    with pytest.raises(ValueError, match="schema 4"):
        replace(FILE.manifest, verifier=CONFIG)
