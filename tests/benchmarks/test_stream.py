"""kws-bench stream: words placed as promised, counted fairly, thresholds tried exactly and written safely."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import one_line_refusal
from hypothesis import given
from hypothesis import strategies as st

from kws_benchmarks.stream.background import NOISE, SPEECH, Passage, background
from kws_benchmarks.stream.compose import Target, compose
from kws_benchmarks.stream.judge import Script, Span, Verdict, counts, judge, latency_ms, on_words
from kws_benchmarks.stream.thresholds import best_thresholds, sweep
from kws_benchmarks.stream.trace import at_thresholds, listen, replay
from kws_device import Spotter, audio_files, model_file
from kws_device.events import Event
from kws_training.data.corpus import Recording
from kws_training.data.layouts import Clip
from kws_training.data.splits import SPLITS
from kws_training.data.windows import power

RATE = 16000


def passage(folder: Path, name: str, samples) -> Passage:
    soundfile.write(folder / name, samples, RATE, subtype="FLOAT")
    return Passage(folder / name, NOISE)


@pytest.fixture
def passages(tmp_path):
    """Fifty seconds of noise, the third ten of which are silent."""
    noise = 0.02 * np.random.default_rng(0).standard_normal((5, 10 * RATE))
    noise[2] = 0
    return [passage(tmp_path, f"{i}.wav", samples) for i, samples in enumerate(noise)]


def words(n):
    rng = np.random.default_rng(1)
    lengths = 9000 + 100 * np.arange(n)
    clips = [(0.1 * rng.standard_normal(length)).astype(np.float32) for length in lengths]
    return [Recording(c, "yes", Clip(Path(f"{i}.wav"), "yes", "test", "s")) for i, c in enumerate(clips)]


def test_words_stand_at_their_times_at_their_signal_to_noise_ratio(passages):
    segments = list(compose(passages, words(40), 12.0, RATE, seed=3, pitch_s=2.0))
    targets = [target for segment in segments for target in segment.targets]
    assert len(targets) > 12
    for segment, passage in zip(segments, passages, strict=True):
        under = audio_files.read(passage.path, RATE)
        assert len(segment.samples) == len(under)
        for target in segment.targets:
            first, last = (round((s - segment.start_s) * RATE) for s in (target.start_s, target.end_s))
            added = segment.samples[first:last].astype(np.float64) - under[first:last]
            assert 10 * np.log10(power(added) / power(under[first:last])) == pytest.approx(12, abs=0.01)
            assert target.start_s < target.spoken_s < target.end_s
    assert not segments[2].targets
    assert min(b.start_s - a.end_s for a, b in itertools.pairwise(targets)) >= 0.5
    assert len({round(target.end_s - target.start_s, 4) for target in targets}) == len(targets)


def test_the_same_seed_gives_the_same_stream(passages):
    one, again, other = (list(compose(passages, words(20), 12.0, RATE, seed)) for seed in (3, 3, 4))
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(one, again, strict=True))
    assert [s.targets for s in one] == [s.targets for s in again] != [s.targets for s in other]


def event(keyword, end_s):
    return Event(keyword, 0.9, end_s - 1, end_s, None, None)


def spans(*said):
    """Passages of ten seconds each in which these words are said."""
    return tuple(
        Span(10.0 * i, 10.0 * i + 10, Passage(Path(f"{i}.wav"), SPEECH, frozenset(words)))
        for i, words in enumerate(said)
    )


def test_a_target_takes_one_event_and_every_other_event_is_false():
    targets = [Target("yes", 1, 2, 1.6), Target("no", 7, 8, 7.7), Target("yes", 10, 11, 10.5)]
    script = Script(tuple(targets), spans([], []))
    events = [event("yes", 1.8), event("yes", 2.3), event("no", 4.8), event("no", 10.9), event("yes", 12.5)]
    yes, no = (judge(events, script, word) for word in ("yes", "no"))
    assert yes == Verdict(((targets[0], events[0]),), (targets[2],), (events[1], events[4]), ())
    assert no == Verdict((), (targets[1],), (events[2], events[3]), ())
    assert (on_words(yes, script), on_words(no, script)) == (1, 1)
    assert latency_ms(yes)["median"] == pytest.approx(200)
    assert latency_ms(no) == {"median": None, "p95": None}


def test_what_the_reader_says_is_masked_in_that_utterance_and_for_that_word_alone():
    targets = [Target("no", 11, 12, 11.5)]
    script = Script(tuple(targets), spans([], ["no"], []))
    events = [event("no", 5), event("no", 11.9), event("no", 15), event("yes", 16), event("no", 20.5)]
    events += [event("no", 21)]
    no, yes = (judge(events, script, word) for word in ("no", "yes"))
    assert no == Verdict(((targets[0], events[1]),), (), (events[0], events[5]), (events[2], events[4]))
    assert yes.false == (events[3],)
    figures = counts(no, script.hours())
    assert (figures["targets"], figures["hits"], figures["masked"]) == (1, 1, 2)
    assert figures["false_accepts_per_hour"] == pytest.approx(2 / (30 / 3600))


def test_transcripts_tell_what_is_said_and_speech_without_one_is_left_out(tmp_path):
    reading = tmp_path / "eval"
    reading.mkdir()
    for i in range(3):
        passage(reading, f"1-2-{i}.wav", np.zeros(RATE))
    text = "1-2-0 GO ON SAID HE NO\n1-2-1 NOW STOPPED UPON A GOAT'S DOWN-HILL\n"
    (reading / "1-2.trans.txt").write_text(text)
    found = background(reading, None, "test", ("yes", "no", "go", "stop", "down"))
    assert [sorted(p.said) for p in found.passages] == [["go", "no"], ["down"]]
    assert [path.name for path in found.left_out] == ["1-2-2.wav"]
    (reading / "1-2.trans.txt").unlink()
    found = background(reading, reading, "all", ("no",))
    assert [p.kind for p in found.passages] == [SPEECH] * 3 + [NOISE] * 3
    assert (found.transcribed, found.left_out) == (False, ())


def test_each_split_hears_its_own_part_of_talk_and_noise(tmp_path):
    for folder in ("talk", "noise"):
        (tmp_path / folder).mkdir()
        for speaker in range(10):
            passage(tmp_path / folder, f"{speaker}-1-0001.wav", np.zeros(RATE))
    heard = {
        split: [p.path for p in background(tmp_path / "talk", tmp_path / "noise", split, ("yes",)).passages]
        for split in ("train", "validation", "test", "all")
    }
    assert [len(paths) for paths in heard.values()] == [10, 4, 6, 20]
    assert sorted(path for split in SPLITS for path in heard[split]) == sorted(heard["all"])


@pytest.fixture(scope="module")
def trace(demo):
    """The demo recording, heard once."""
    return listen(Spotter.load(), compose([Passage(demo / "demo.flac", SPEECH)], [], 10, RATE, 1))


def test_thresholds_are_tried_as_exactly_as_if_the_model_had_listened_again(trace, demo):
    own = trace.manifest.decoder.thresholds
    assert len(trace.events) > 8
    assert tuple(replay(trace, trace.manifest)) == trace.events
    swept = sweep(trace)
    assert set(own.values()) <= set(swept)
    for p in (0.3, 0.75, 0.9):
        spotter = Spotter.load(thresholds=dict.fromkeys(own, p))
        heard = listen(spotter, compose([Passage(demo / "demo.flac", SPEECH)], [], 10, RATE, 1)).events
        counted = [e for verdict in swept[p].values() for e in verdict.false]
        assert sorted(counted, key=lambda e: e.end_s) == list(heard)
    assert not any(verdict.false for verdict in swept[1.0].values())


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=3, max_size=3),
        min_size=1, max_size=3,
    ),
    st.integers(0, 8),
)  # fmt: skip
def test_tuning_finds_what_trying_everything_finds(table, allowed):
    """Of each keyword: false accepts and misses at three thresholds; at 1 there is never a false accept."""
    target, heard = Target("a", 0, 1, 1), event("a", 1)
    places = (0.5, 0.7, 0.9, 1.0)
    swept = {
        p: {
            str(k): Verdict(
                ((target, heard),) * (4 - row[i][1]), (target,) * row[i][1], (heard,) * row[i][0], ()
            )
            for k, row in enumerate([*rows, (0, 4)] for rows in table)
        }
        for i, p in enumerate(places)
    }

    def cost(thresholds):
        chosen = [swept[p][k] for k, p in thresholds.items()]
        false = sum(len(v.false) for v in chosen)
        return (sum(len(v.misses) ** 2 for v in chosen), false) if false <= allowed else (math.inf, 0)

    names = [str(k) for k in range(len(table))]
    least = min(cost(dict(zip(names, p, strict=True))) for p in itertools.product(places, repeat=len(table)))
    assert cost(best_thresholds(swept, 2.0, allowed / 2)) == least


@pytest.fixture(scope="module")
def folders(data, tmp_path_factory):
    """Some minutes of the real recordings, among them the one without a transcript."""
    folder = tmp_path_factory.mktemp("some")
    mini, reading = data / "speech_commands_mini", data / "negatives" / "eval"
    listed = (mini / "testing_list.txt").read_text().split()
    chosen = {}
    for word in Spotter.load().manifest.keywords:
        names = [name for name in sorted(listed) if name.startswith(f"{word}/")]
        chosen |= {f"speech/{name}": mini / name for name in names[:25]}
    chosen |= {
        f"reading/{p.name}": p for p in (*reading.glob("*-00[024]0.ogg"), *reading.glob("*.trans.txt"))
    }
    chosen |= {f"noise/{p.name}": p for p in (data / "noise" / "test").glob("[bt]*.ogg")}
    for name, path in chosen.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(path)
    names = ("speech", "--negatives", "reading", "--noise", "noise")
    parts = [name if name.startswith("--") else folder / name for name in names]
    return ["--speech", *parts, "--split", "all", "--pitch", "2.5"]


def report(command, out, *arguments):
    result = command("kws-bench", "stream", *arguments, "--out", out)
    assert result.returncode == 0, result.stderr
    return json.loads((out / "stream.json").read_text())


def test_the_report_adds_up_and_its_curve_goes_through_the_models_own_point(
    command, folders, tmp_path, shipped
):
    file = model_file.read(shipped)
    even = at_thresholds(file.manifest, dict.fromkeys(file.manifest.keywords, 0.8))
    model_file.write(tmp_path / "even.tflite", file.model, even)
    found = report(command, tmp_path, *folders, "--model", tmp_path / "even.tflite")
    heard = [path for folder in (folders[3], folders[5]) for path in folder.glob("*.ogg")]
    seconds = [soundfile.info(path).duration for path in heard if path.name != "19-198-0040.ogg"]
    assert found["hours"] == pytest.approx(sum(seconds) / 3600, rel=1e-3)
    assert found["left_out_without_transcript"] == ["19-198-0040.ogg"]
    assert found["targets"] > 50
    assert found["hits"] + found["misses"] == found["targets"]
    assert found["miss_rate"] == pytest.approx(found["misses"] / found["targets"], abs=1e-4)
    assert found["false_accepts_per_hour"] == pytest.approx(found["false_accepts"] / found["hours"], rel=1e-3)
    assert 0 < found["latency_ms"]["median"] < found["latency_ms"]["p95"] < 1500
    assert len(found["false_events"]) == found["false_accepts"]
    for part in (found["per_keyword"], found["over"]):
        for name in ("targets", "hits", "misses", "false_accepts", "masked"):
            assert sum(figures[name] for figures in part.values()) == found[name]
    (own,) = (point for point in found["curve"] if point["threshold"] == 0.8)
    assert own.items() <= {**found, "threshold": 0.8}.items()
    assert found["curve"][-1]["hits"] == found["curve"][-1]["false_accepts"] == 0


def test_tuned_thresholds_keep_to_the_rate_and_travel_in_the_files(command, folders, tmp_path, shipped):
    models = [tmp_path / f"mine.{suffix}" for suffix in ("tflite", "onnx")]
    for model in models:
        shutil.copy(shipped.with_suffix(model.suffix), model)
    before = [model_file.read(model) for model in models]
    arguments = [*folders, "--model", models[0]]
    found = report(command, tmp_path / "tuned", *arguments, "--tune", "30", "--tune-also", models[1])
    for old, new in zip(before, map(model_file.read, models), strict=True):
        assert (new.model, new.kind) == (old.model, old.kind)
        assert new.manifest.hash != old.manifest.hash
        assert new.manifest.decoder.false_accepts_per_hour == 30
        thresholds = {word: figures["threshold"] for word, figures in found["per_keyword"].items()}
        assert new.manifest.decoder.thresholds == thresholds
    assert found["tuned_from"] == before[0].manifest.hash
    assert found["hash"] == model_file.read(models[0]).manifest.hash
    assert found["false_accepts_per_hour"] <= 30
    assert found["miss_rate"] < 1
    again = report(command, tmp_path / "again", *arguments)
    del found["tuned_from"]
    assert again == found


def test_the_shipped_model_is_not_tuned_in_place_and_bad_input_is_refused(command, tmp_path, shipped, demo):
    arguments = ["kws-bench", "stream", "--negatives", demo, "--split", "test", "--out", tmp_path / "out"]
    before = shipped.read_bytes()
    one_line_refusal(command(*arguments, "--tune", "1"), "--tune", "--model FILE")
    one_line_refusal(command(*arguments, "--tune", "1", "--model", "kws"), "--tune", "--model FILE")
    assert shipped.read_bytes() == before
    shutil.copy(shipped, tmp_path / "mine.tflite")
    tune = [*arguments, "--model", tmp_path / "mine.tflite", "--tune"]
    one_line_refusal(command(*tune, "1"), "--speech")
    one_line_refusal(command(*tune, "nan"), "--tune", "nan")
    one_line_refusal(command(*arguments, "--snr", "99"), "--snr 99")
    one_line_refusal(
        command(*arguments), demo, "none of its 1 recordings is in the test split (split by rank)"
    )
    one_line_refusal(command(*arguments[:3], tmp_path / "none", *arguments[4:]), "none")
    assert not (tmp_path / "out").exists()


def test_without_words_only_what_is_false_is_counted(command, demo, tmp_path):
    found = report(command, tmp_path, "--negatives", demo, "--split", "all")
    assert (found["targets"], found["miss_rate"], found["snr_db"]) == (0, None, None)
    assert found["false_accepts"] == len(found["false_events"]) > 8


def test_real_words_are_heard_over_everyday_noise(command, data, tmp_path):
    """None of the speakers and none of the noise was trained on."""
    found = report(
        command, tmp_path, "--speech", data / "speech_commands_mini", "--negatives", data / "noise" / "test",
        "--split", "test", "--snr", "20", "--pitch", "2.5", "--passes", "2",
    )  # fmt: skip
    print(found["hits"], found["misses"], found["false_accepts"])
    assert found["targets"] >= 100
    assert found["miss_rate"] <= 0.15
    assert found["false_accepts"] <= 2 * 60 * found["hours"]
