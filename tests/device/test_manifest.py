"""A manifest from a stranger: a manifest that a device can use, or one line that says what is wrong."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kws_device import InputError
from kws_device.decoder import Decoder
from kws_device.front_end import Workspace, log_mel
from kws_device.model import model_file
from kws_device.model.manifest_json import content_hash, parse, sealed, to_json
from kws_device.model.manifest_text import describe

DATA = json.loads(to_json(model_file.read(model_file.find(None)).manifest))


def paths(data, at=()):
    """Every place in nested tables and lists."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*at, key))


def changed(changes, data=DATA):
    """A manifest with other values at some places."""
    data = copy.deepcopy(data)
    for path, value in changes:
        *way, last = path
        inner = data
        try:
            for key in way:
                inner = inner[key]
            inner[last] = value
        except (IndexError, KeyError, TypeError):
            continue  # an earlier change took this place away
    return data


def deep(levels):
    value = "end"
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


NUMBERS = [
    0,
    -1,
    1,
    2**31,
    2**63,
    10**400,
    -(10**400),
    float("nan"),
    float("inf"),
    1e308,
    -1e308,
    5e-324,
    16000,
]
TEXTS = ["", "\ud800", "\x1b[2J", "one\ntwo", "\u202eseY", "x" * 10_000, "ja", "_silence_", "\x00"]
VALUES = st.one_of(
    st.sampled_from([None, True, [], {}, deep(5), deep(40), deep(900)]),
    st.sampled_from(NUMBERS),
    st.integers(),
    st.floats(),
    st.sampled_from(TEXTS),
    st.text(max_size=20),
    st.lists(st.floats(), max_size=41),
    st.dictionaries(st.text(max_size=5), st.floats(), max_size=3),
)
VERIFIED = copy.deepcopy(DATA) | {
    "schema": 4,
    "verifier": {
        "clip_ms": 2400.0,
        "delay_ms": 300.0,
        "looks": 1,
        "labels": [*DATA["decoder"]["thresholds"], "_refused_"],
        "softmax": True,
        "candidate_thresholds": dict.fromkeys(DATA["decoder"]["thresholds"], 0.3),
        "first_weight": 0.0,
        "scale": 1.0,
        "offset": 0.0,
        "sha256": "0" * 64,
    },
}
"""The shipped manifest with a verifier."""
ARMED = copy.deepcopy(VERIFIED) | {
    "schema": 5,
    "arming": {"armed_by": "yes", "armed_s": 5.0, "commands": ["no", "go"], "thresholds": {"go": 0.4}},
}
"""The same with commands that a word arms."""
PLACES = st.sampled_from(sorted(paths(ARMED), key=str))


def test_the_manifests_to_be_mutated_are_whole():
    for data in (DATA, VERIFIED, ARMED):
        use(parse(json.dumps(data), "some.tflite"))


def use(manifest):
    """All that a device does with a manifest but for running the model."""
    assert json.loads(to_json(manifest)) == json.loads(to_json(parse(to_json(manifest), "again")))
    content_hash(b"model", manifest)
    assert all(line.isprintable() for line in describe(manifest).split("\n"))
    config = manifest.front_end
    mels = log_mel(
        np.zeros(config.span_samples(2)), config, Workspace(config, 2) if config.incremental else None
    )
    assert np.isfinite(manifest.normalisation.apply(mels)).all()
    decoder = Decoder(manifest)
    scores = {head.name: np.eye(len(head.labels), dtype=np.float32)[0] for head in manifest.heads}
    for step in range(3):
        decoder.decide(scores, step / 10)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(PLACES, VALUES), min_size=1, max_size=3), st.sampled_from([DATA, VERIFIED, ARMED]))
def test_a_mutated_manifest_is_used_or_refused_in_one_line(changes, data):
    try:
        manifest = parse(json.dumps(changed(changes, data)), "some.tflite")
    except InputError as error:
        refusal = str(error)
    else:
        use(manifest)
        return
    assert refusal.startswith("some.tflite: ")
    assert len(refusal) < 2000


@given(st.binary(max_size=200))
def test_any_bytes_are_no_manifest(content):
    with pytest.raises(InputError, match=r"some\.tflite"):
        parse(content, "some.tflite")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("front_end", "sample_rate_hz"), 10**400, "sample_rate_hz is 1000"),
        (("front_end", "sample_rate_hz"), 3999, "between 4000 and 192000"),
        (("front_end", "sample_rate_hz"), 10**9, "between 4000 and 192000"),
        (("front_end", "clip_ms"), 10**400, "clip_ms: 1000"),
        (("front_end", "clip_ms"), 60_000.0, "clip_ms is 60000.0"),
        (("front_end", "clip_ms"), float("nan"), "clip_ms: nan is not a finite number"),
        (("front_end", "mels"), 10_000, "mels is 10000"),
        (("front_end", "floor_db"), 16_000.0, "floor_db is 16000.0"),
        (("front_end", "top_db"), -1.0, "top_db is -1.0"),
        (("decoder", "decision_ms"), 0.0625, "decision_ms is 0.0625"),
        (("decoder", "refractory_s"), 1e9, "refractory_s is 1000000000.0"),
        (("decoder", "thresholds", "yes"), 2.0, "threshold of yes is 2.0"),
        (("decoder", "false_accepts_per_hour"), -1.0, "false_accepts_per_hour is -1.0"),
        (("heads", 0, "smoothing_s"), 11.0, "smoothing_s of head keyword is 11.0"),
        (("heads", 0, "labels", 0), "yes\x1b[2J", "a label holds control characters"),
        (("heads", 0, "labels", 0), "yes\nforged", "a label holds control characters"),
        (("heads", 0, "labels", 0), "\u202esey", "a label holds control characters"),
        (("heads", 0, "labels", 0), "x" * 101, "a label must have 1 to 100 characters"),
        (("heads", 0, "labels"), [f"word {i}" for i in range(1001)], "number of labels of head keyword"),
        (("name",), "kws\x07", "the model's name holds control characters"),
        (("name",), "\ud800", "lone surrogate"),
        (("sources", 0, "name"), "\x1b]0;title\x07", "the name of a source holds control characters"),
        (("normalisation", "std_db", 0), 0.0, "std_db is 0.0"),
        (("normalisation", "mean_db", 0), 1e300, "mean_db is 1e"),
        (("metrics",), {"accuracy": float("nan")}, "metrics.accuracy: nan is not a finite number"),
        (("metrics",), {"accuracy": 10**400}, "does not fit 64 bits"),
        (("metrics",), {"\udc80": 1}, "lone surrogate"),
        (("recipe",), {"deep": deep(900)}, "nested more than 32 deep"),
        (("recipe",), deep(901), "nested more than 32 deep"),
        (("schema",), deep(900), "manifest schema"),
    ],
)
def test_a_value_out_of_its_range_is_named(path, value, words):
    with pytest.raises(InputError, match=words.replace("(", r"\(")) as refusal:
        parse(json.dumps(changed([(path, value)])), "some.tflite")
    assert "some.tflite" in str(refusal.value)


def test_a_front_end_of_too_many_samples_is_refused():
    front_end = {"sample_rate_hz": 192_000, "clip_ms": 10_000.0, "hop_ms": 1.0, "window_ms": 250.0}
    changes = [(("front_end", key), value) for key, value in front_end.items()]
    with pytest.raises(InputError, match="frames of 48000 samples"):
        parse(json.dumps(changed(changes)), "some.tflite")


def test_foreign_text_cannot_steer_the_terminal(command, shipped, tmp_path):
    file = model_file.read(shipped)
    data = changed(
        [(("sources", 0, "licence"), "free\n\x1b[2Jerror: forged"), (("versions", "\x1b[31m"), "1")]
    )
    path = tmp_path / "foreign.tflite"
    model_file.write(path, file.model, sealed(file.model, parse(json.dumps(data), "foreign")), file.verifier)
    for show in (("kws-listen", "--info", "--model"), ("kws-export", "show")):
        text = command(*show, path).stdout
        assert "free??[2Jerror: forged" in text
        assert "?[31m 1" in text
        assert all(line.isprintable() for line in text.rstrip("\n").split("\n"))
