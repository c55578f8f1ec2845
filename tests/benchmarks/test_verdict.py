"""The verdict of a report: models that were broken on purpose are called so, a good one is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from helpers import first_network

from kws_benchmarks.robustness.candidates import candidate
from kws_benchmarks.robustness.evaluate import Plan, robustness
from kws_benchmarks.robustness.verdict import verdict
from kws_device import Spotter
from kws_device.front_end import Normalisation
from kws_device.model import model_file
from kws_training.data.corpus import Folders
from kws_training.loop.threads import keep_products_small


def labels_shifted(file, path):
    heads = tuple(replace(head, labels=(*head.labels[1:], head.labels[0])) for head in file.manifest.heads)
    model_file.write(path, file.model, replace(file.manifest, heads=heads))


def two_words_exchanged(file, path):
    keyword, *others = file.manifest.heads
    labels = list(keyword.labels)
    labels[0], labels[1] = labels[1], labels[0]
    heads = (replace(keyword, labels=tuple(labels)), *others)
    model_file.write(path, file.model, replace(file.manifest, heads=heads))


def normalisation_dropped(file, path):
    bands = file.manifest.front_end.mels
    nothing = Normalisation((0.0,) * bands, (1.0,) * bands)
    model_file.write(path, file.model, replace(file.manifest, normalisation=nothing))


def silence_always(file, path):
    """The float ONNX model, something added to one of its logits."""
    file = first_network(file.path.with_name("kws-float.onnx"))
    graph = onnx.load_model_from_string(file.model)
    labels = file.manifest.labels["keyword"]
    bias = np.array([[1000.0 * (label == "_silence_") for label in labels]], np.float32)
    for node in graph.graph.node:
        for n, output in enumerate(node.output):
            if output == "keyword":
                node.output[n] = "keyword_before"
    graph.graph.initializer.append(onnx.numpy_helper.from_array(bias, "much_silence"))
    graph.graph.node.append(onnx.helper.make_node("Add", ["keyword_before", "much_silence"], ["keyword"]))
    model_file.write(path.with_suffix(".onnx"), graph.SerializeToString(), file.manifest)


@pytest.fixture(scope="module")
def judged(data, shipped, tmp_path_factory):
    """Judges the shipped model, after something was done to it, on a few clips."""
    folder = tmp_path_factory.mktemp("judged")
    keep_products_small()

    def judge(harm=None, limit=60, streams=()):
        path = shipped
        if harm is not None:
            harm(first_network(shipped), folder / f"{harm.__name__}.tflite")
            (path,) = folder.glob(f"{harm.__name__}.*")
        folders = Folders(data / "speech_commands_mini", data / "esc10", noise=data / "noise" / "test")
        return robustness(candidate(path), Plan(folders, "test", [10], limit), folder / "out", streams)

    return judge


def test_the_shipped_model_works_where_a_stream_says_so(judged, shipped):
    found = judged(limit=120, streams=[stream(model_file.read(shipped).manifest.hash)])
    assert found.verdict.word == "works"
    assert found.report["verdict"] == {"word": "works", "reasons": list(found.verdict.reasons)}
    assert any("BC-ResNet-8" in reason for reason in found.verdict.reasons)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (labels_shifted, "keyword: its labels are exchanged"),
        (two_words_exchanged, "yes comes out as no"),
        (normalisation_dropped, "hardly better than guessing"),
        (silence_always, "keyword: its answer is _silence_ for 100 % of all"),
    ],
)
def test_a_model_that_was_broken_on_purpose_is_called_broken(judged, harm, reason):
    found = judged(harm)
    assert found.verdict.word == "broken"
    assert any(reason in text for text in found.verdict.reasons)


def stream(of="", hours=6.0, false=3, heard=90, targets=100):
    """What stream.json says, as far as the verdict reads it."""
    bound = {0: 2.996, 3: 7.754, 6: 11.842, 30: 40.691}[false]
    rates = {"hours": hours, "false_accepts": false}
    placed = {"targets": targets, "hits": heard, "miss_rate": 1 - heard / targets if targets else None}
    return {
        "hash": of or Spotter.load().manifest.hash,
        "snr_db": 10.0,
        **rates,
        **placed,
        "false_accepts_per_hour": false / hours,
        "false_accepts_bound95": bound / hours,
        "background": {"talk": {**rates, "per_hour": false / hours, "bound95": bound / hours}},
        "placed": {"alone": placed, "over_voice": None, "in_sentence": None},
    }


def report(clean=0.95, noisy=None, n=1000):
    def figure(accuracy):
        return {"accuracy": accuracy, "ci95": [accuracy - 0.01, accuracy + 0.01], "n": n, "per_class": {}}

    sets = [{"set": "clean", "kind": "clean", "keyword": figure(clean)}]
    for snr_db, accuracy in (noisy or {}).items():
        entry = {"set": f"snr{snr_db}", "kind": "waveform", "with": "scenes", "snr_db": snr_db}
        sets.append({**entry, "keyword": figure(accuracy)})
    return {"sets": sets}


def diagonal(accuracy, n=1000):
    """Ten labels, the mistakes spread evenly."""
    matrix = np.full((10, 10), round(n * (1 - accuracy) / 90))
    np.fill_diagonal(matrix, round(n * accuracy / 10))
    return matrix


def word(clean=0.95, noisy=None, promised=None, streams=None):
    return judgement(clean, noisy, promised, streams).word


def judgement(clean=0.95, noisy=None, promised=None, streams=None):
    return verdict(
        report(clean, noisy),
        Spotter.load().manifest,
        {"keyword": diagonal(clean)},
        {"keyword": promised} if promised else {},
        [stream()] if streams is None else streams,
    )


def test_a_model_is_weak_in_noise_where_it_loses_more_than_one_that_never_heard_any():
    assert word(0.95, {10: 0.93, 0: 0.86}) == "works"
    assert word(0.95, {10: 0.93, 0: 0.70}) == "weak in noise"
    assert word(0.95) == "works"


def test_a_model_that_misses_words_where_it_is_quiet_is_weak():
    assert word(0.8, {10: 0.8}) == "weak"


def test_a_model_far_below_what_it_says_of_itself_is_broken():
    assert word(0.75, promised=0.77) == "weak"
    assert word(0.75, promised=0.97) == "broken"


def test_a_model_that_guesses_is_broken_and_a_handful_of_clips_says_nothing():
    assert word(0.1) == "broken"
    few = verdict(report(n=5), Spotter.load().manifest, {"keyword": diagonal(0.9, 5)}, {}, [])
    assert few.word == "unclear"


def test_without_a_stream_of_the_same_file_nobody_knows_whether_it_works():
    for streams, told in (
        ([], "No stream.json of this model file is here"),
        ([stream("f" * 64)], "is of another model file (ffffffffffff)"),
        ([stream(targets=0, heard=0)], "has no placed words"),
    ):
        found = judgement(streams=streams)
        assert found.word == "unclear"
        assert told in found.reasons[0]
        assert "kws-bench stream --model FILE" in found.reasons[0]
    assert word(0.8, {10: 0.8}, streams=[]) == "weak"


@pytest.mark.parametrize(
    ("of", "expected", "told"),
    [
        ({"hours": 6, "false": 0}, "works", "Over talk it has 0 false accepts per hour, at most 0.5 (95 %)"),
        ({"hours": 6, "false": 30}, "fires too often", "Over talk it has 5 false accepts per hour"),
        ({"hours": 6, "false": 3, "heard": 70}, "weak", "Of words at 10 dB it hears 70.0 % standing alone"),
        ({"hours": 1, "false": 0}, "unclear", "in 1.00 hours"),
    ],
)
def test_a_stream_decides_whether_it_fires_too_often_or_too_seldom(of, expected, told):
    found = judgement(streams=[stream(**of)])
    assert found.word == expected
    assert any(told in reason for reason in found.reasons), found.reasons
