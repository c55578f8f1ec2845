"""Words that count only for a while after the word that arms them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import one_line_refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_device import InputError, Spotter
from kws_device.arming import Arming, always_armed
from kws_device.decoder import Decoder
from kws_device.model import model_file
from kws_device.model.manifest import ARMING_SCHEMA, SCHEMA
from kws_device.model.manifest_json import parse, to_json
from kws_device.model.manifest_parts import ArmingConfig, VerifierConfig
from kws_device.overrides import ArmingOptions, with_arming, with_thresholds

FILE = model_file.read(model_file.find(None))
LABELS = FILE.manifest.head("keyword").labels
KEYWORDS = FILE.manifest.keywords
ARMED_BY, FREE = "yes", "stop"
SCENE = FILE.manifest.head("scene").labels[0]
COMMANDS = tuple(word for word in KEYWORDS if word not in (ARMED_BY, FREE))
LISTEN = Path(sys.executable).with_name("kws-listen")


def arming(armed_s=0.5, **thresholds):
    return ArmingConfig(ARMED_BY, armed_s, COMMANDS, thresholds)


def manifest(rules, verified=False, refractory_s=0.3):
    """The shipped manifest without smoothing, every threshold a half."""
    heads = tuple(replace(head, smoothing_s=0.0) for head in FILE.manifest.heads)
    decoder = replace(
        FILE.manifest.decoder, refractory_s=refractory_s, thresholds=dict.fromkeys(KEYWORDS, 0.5)
    )
    candidates = dict.fromkeys(KEYWORDS, 0.3)
    verifier = VerifierConfig(2400.0, 300.0, 1, (*KEYWORDS, "_refused_"), True, candidates, 0, 1, 0, "")
    base = replace(
        FILE.manifest, schema=SCHEMA, heads=heads, decoder=decoder, verifier=verifier if verified else None
    )
    return base.with_arming(rules)


def smoothed(word="_silence_", p=1.0):
    keyword = np.full(len(LABELS), (1 - p) / (len(LABELS) - 1))
    keyword[LABELS.index(word)] = p
    return {"keyword": keyword, "scene": np.eye(len(FILE.manifest.head("scene").labels))[0]}


def run(decoder, sequence):
    """The decisions on (word, score) pairs; with a verifier, it gives each word the same score at once."""
    verifies = decoder._verifies
    return [
        decoder.decide_smoothed(
            smoothed(word, p), round((n + 1) / 10, 3), {word: p} if verifies and word in KEYWORDS else {}
        )
        for n, (word, p) in enumerate(sequence)
    ]


def events(decisions):
    return [(n, d.event.keyword) for n, d in enumerate(decisions) if d.event]


SILENCE = ("_silence_", 1.0)


@pytest.mark.parametrize("verified", [False, True])
def test_a_command_counts_only_for_a_while_after_the_word_that_arms_it(verified):
    said = {2: "go", 6: "yes", 8: "go", 14: "go", 16: "stop"}
    decisions = run(
        Decoder(manifest(arming(0.5), verified)),
        [(said[n], 0.9) if n in said else SILENCE for n in range(20)],
    )
    assert events(decisions) == [(6, "yes"), (8, "go"), (16, "stop")]
    assert [d.event.armed for d in decisions if d.event] == [True, True, False]
    left = [round(d.armed_left_s, 3) for d in decisions]
    assert left[5:13] == [0.0, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, 0.0]


def test_the_last_decision_of_the_armed_time_counts_and_the_next_one_does_not():
    for n, heard in ((5, True), (6, False)):
        sequence = [("yes", 0.9), *[SILENCE] * (n - 1), ("go", 0.9)]
        assert ((n, "go") in events(run(Decoder(manifest(arming(0.5))), sequence))) == heard


@pytest.mark.parametrize("verified", [False, True])
def test_a_command_that_began_before_it_was_armed_is_not_reported_until_it_is_said_again(verified):
    """Not even where the arming comes while its score is still high, as by a switch."""
    decoder = Decoder(manifest(arming(2.0), verified))
    assert events(run(decoder, [("go", 0.9)] * 3)) == []
    assert decoder.arm()
    again = [*[("go", 0.9)] * 3, SILENCE, ("go", 0.9)]
    assert events(run(decoder, again)) == [(4, "go")]


def test_thresholds_while_armed_are_their_own_in_every_scene():
    rules = manifest(arming(0.5, go=0.2))
    rules = replace(rules, decoder=replace(rules.decoder, scene_thresholds={SCENE: {"go": 0.9, "yes": 0.6}}))
    decisions = run(Decoder(rules), [("go", 0.3), SILENCE, ("yes", 0.9), ("go", 0.3)])
    assert events(decisions) == [(2, "yes"), (3, "go")]
    armed = always_armed(rules)
    assert armed.decoder.thresholds["go"] == 0.2
    assert armed.decoder.scene_thresholds == {SCENE: {"yes": 0.6}}


def test_a_model_without_arming_has_nothing_to_arm():
    decoder = Decoder(manifest(None))
    assert not decoder.arm()
    (decision,) = run(decoder, [("go", 0.9)])
    assert (decision.event.armed, decision.armed_left_s) == (None, None)


def streams(words=(ARMED_BY, FREE, "go", "left", "_silence_", "_unknown_")):
    """Words that stay for random times at random scores."""
    parts = st.tuples(st.sampled_from(words), st.sampled_from([0.1, 0.35, 0.6, 0.9]), st.integers(1, 8))
    return st.lists(parts, max_size=25).map(
        lambda parts: [(word, p) for word, p, times in parts for _ in range(times)]
    )


@settings(deadline=None, max_examples=150)
@given(streams(), st.sampled_from([0.1, 0.3, 1.0, 3.0]), st.booleans())
def test_every_command_has_an_arming_word_before_it_and_no_other_word_is_changed(stream, armed_s, verified):
    rules = manifest(arming(armed_s, go=0.2), verified)
    heard = events(run(Decoder(rules), stream))
    armed = [n for n, word in heard if word == ARMED_BY]
    for n, word in heard:
        assert word not in COMMANDS or any(0 < n - a <= round(10 * armed_s) for a in armed)
    plain = events(run(Decoder(always_armed(rules)), stream))
    assert [e for e in heard if e[1] not in COMMANDS] == [e for e in plain if e[1] not in COMMANDS]


@settings(deadline=None, max_examples=100)
@given(streams(), st.booleans())
def test_always_armed_equals_the_rules_with_somebody_who_arms_before_every_decision(stream, verified):
    rules = manifest(arming(1.0, go=0.2), verified)
    decoder, heard = Decoder(rules), []
    for n, moment in enumerate(stream):
        decoder.arm()
        heard += [(n, word) for _, word in events(run(decoder, [moment]))]
    assert heard == events(run(Decoder(always_armed(rules)), stream))


@settings(deadline=None, max_examples=50)
@given(streams(), streams(), st.booleans())
def test_a_reset_decoder_has_forgotten_who_armed_it(before, stream, verified):
    decoder = Decoder(manifest(arming(3.0), verified))
    decoder.arm()
    run(decoder, before)
    decoder.reset()
    assert events(run(decoder, stream)) == events(run(Decoder(manifest(arming(3.0), verified)), stream))


@given(st.floats(0.1, 3600), st.sampled_from([10.0, 20.0, 50.0, 100.0, 120.0]), st.integers(0, 10**9))
def test_the_armed_time_is_kept_to_the_decision(armed_s, decision_ms, now):
    rule = Arming(arming(armed_s), decision_ms)
    assert not rule.is_armed(now)
    rule.arm(now)
    assert -1e-6 <= rule.left_s(now) - armed_s < decision_ms / 1000 + 1e-6
    assert rule.counts("go", now + rule.lasts)
    assert not rule.counts("go", now + rule.lasts + 1)
    assert rule.counts(FREE, now + rule.lasts + 1)


def test_rules_travel_in_the_manifest_and_others_stay_byte_for_byte(tmp_path):
    armed = FILE.manifest.with_arming(arming(5.0, go=0.3))
    assert armed.schema == ARMING_SCHEMA
    path = tmp_path / "armed.tflite"
    model_file.write(path, FILE.model, armed, FILE.verifier)
    read = model_file.read(path).manifest
    assert read.arming == arming(5.0, go=0.3)
    assert parse(to_json(read), "again") == read
    plain = to_json(FILE.manifest)
    assert "arming" not in plain
    assert to_json(parse(plain, "plain")) == plain
    with pytest.raises(InputError, match="has no arming"):
        parse(json.dumps({**json.loads(plain), "arming": None}), "some.tflite")


def test_rules_are_written_into_copies_of_model_files(command, shipped, demo, tmp_path):
    options = ["--model", shipped, "--armed-by", "yes", "--for", "5", "--armed-threshold", "go=.4"]
    assert command("kws-export", "arming", *options, "--out", tmp_path).returncode == 0
    path = tmp_path / shipped.name
    rules = model_file.read(path).manifest.arming
    others = tuple(word for word in KEYWORDS if word != "yes")
    assert rules == ArmingConfig("yes", 5.0, others, {"go": 0.4})
    assert model_file.read(path).model == FILE.model
    shown = command("kws-listen", "--info", "--model", path).stdout
    assert "arming      yes, for 5 s: no, up" in shown
    heard = [
        command("kws-listen", "--file", demo / "demo.flac", *arguments).stdout
        for arguments in (["--model", path], [*options[2:], "--model", shipped])
    ]
    assert heard[0] == heard[1] != ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"armed_s": 0.0}, "armed_s is 0.0"),
        ({"armed_s": 10**6}, "armed_s is 1000000"),
        ({"commands": ()}, "empty or not distinct"),
        ({"commands": ("go", "go")}, "empty or not distinct"),
        ({"commands": ("go", "yes")}, "yes cannot arm itself"),
        ({"commands": ("go", "maybe")}, "maybe"),
        ({"armed_by": "maybe"}, "maybe"),
        ({"thresholds": {"stop": 0.5}}, "thresholds of stop"),
        ({"thresholds": {"go": 1.5}}, "armed threshold of go is 1.5"),
    ],
)
def test_rules_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        FILE.manifest.with_arming(replace(arming(), **changes))


def test_a_user_may_set_rules_or_change_those_of_the_model():
    plain = FILE.manifest
    assert with_arming(plain, ArmingOptions()) is plain
    others = tuple(word for word in KEYWORDS if word != "left")
    own = with_arming(plain, ArmingOptions("left")).arming
    assert own == ArmingConfig("left", 5.0, others, {})
    armed = plain.with_arming(arming(2.0, go=0.3))
    assert with_arming(armed, ArmingOptions(armed_s=9.0, thresholds={"up": 0.4})).arming == replace(
        arming(9.0, go=0.3, up=0.4)
    )
    assert with_arming(armed, ArmingOptions(ARMED_BY)).arming == arming(2.0, go=0.3)
    assert with_arming(armed, ArmingOptions("left")).arming == own
    # A threshold that is set by hand counts while armed, too.
    assert with_thresholds(armed, {"go": 0.8}).arming == arming(2.0)
    assert always_armed(with_thresholds(armed, {"go": 0.8})).decoder.thresholds["go"] == 0.8


def test_thresholds_change_between_two_decisions_without_forgetting():
    spotter = Spotter.load()
    spotter.set_thresholds({"go": 0.99})
    assert spotter.manifest.decoder.thresholds["go"] == 0.99
    decoder = Decoder(manifest(None))
    assert events(run(decoder, [("go", 0.9)])) == [(0, "go")]
    decoder.set_thresholds(with_thresholds(manifest(None), {"go": 0.95}))
    assert events(run(decoder, [("go", 0.9)] * 5)) == []
    with pytest.raises(InputError, match="maybe"):
        spotter.set_thresholds({"maybe": 0.5})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--armed-by", "maybe"], ["maybe", "yes, no"]),
        (["--for", "5"], ["give --armed-by WORD"]),
        (["--armed-threshold", "go=.3"], ["give --armed-by WORD"]),
        (["--armed-by", "yes", "--for", "0"], ["armed_s is 0"]),
        (["--armed-by", "yes", "--for", "nan"], ["armed_s is nan"]),
        (["--armed-by", "yes", "--armed-threshold", "go"], ["--armed-threshold go", "WORD=P"]),
        (["--armed-by", "yes", "--armed-threshold", "yes=.3"], ["thresholds of yes"]),
    ],
)
def test_bad_rules_are_named_in_one_line(arguments, words, command, demo):
    one_line_refusal(command("kws-listen", "--file", demo / "demo.flac", *arguments), *words)


def test_commands_of_a_recording_are_heard_after_the_word_that_arms_them(command, demo):
    plain = command("kws-listen", "--file", demo / "demo.flac", "--json").stdout.splitlines()[:-1]
    arguments = ["--json", "--armed-by", "yes", "--for", "5"]
    armed = command("kws-listen", "--file", demo / "demo.flac", *arguments).stdout.splitlines()[:-1]
    plain, armed = ([json.loads(line) for line in lines] for lines in (plain, armed))
    arms_s = [e["end_s"] for e in plain if e["keyword"] == "yes"]
    counting = [
        e for e in plain if e["keyword"] == "yes" or any(0 < round(e["end_s"] - s, 3) <= 5 for s in arms_s)
    ]
    assert 1 < len(armed) < len(plain)
    assert [(e["keyword"], e["end_s"]) for e in armed] == [(e["keyword"], e["end_s"]) for e in counting]
    assert {e["armed"] for e in armed} == {True}
    assert {e["armed"] for e in plain} == {None}


def test_a_signal_arms_as_the_word_does(demo):
    arguments = [LISTEN, "--file", demo / "demo.flac", "--real-time", "--json", "--armed-by", "left"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*arguments, "--for", "60"], **streams) as process:
        try:
            # The first words of the recording are no "left".
            while process.poll() is None and not _catches(process.pid, signal.SIGUSR1):
                pass
            process.send_signal(signal.SIGUSR1)
            event = json.loads(process.stdout.readline())
            assert event["keyword"] != "left"
            assert event["armed"] is True
            process.send_signal(signal.SIGTERM)
            assert process.communicate(timeout=20)[1] == ""
        finally:
            process.kill()


def test_a_signal_where_nothing_can_be_armed_is_told(demo):
    arguments = [LISTEN, "--file", demo / "demo.flac", "--real-time", "--json"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(arguments, **streams) as process:
        try:
            assert process.stdout.readline()
            process.send_signal(signal.SIGUSR1)
            assert "has no commands to arm; give --armed-by WORD" in process.stderr.readline()
        finally:
            process.kill()


def _catches(pid, number):
    """Whether a process handles the signal, instead of ending by it."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
