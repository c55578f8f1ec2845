"""kws-bench stream: words placed as promised, counted fairly, thresholds tried exactly and written safely."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import first_network, one_line_refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_benchmarks.stream.backgrounds import Passage, backgrounds, sources
from kws_benchmarks.stream.compose import Target, compose, continuous
from kws_benchmarks.stream.figures import counts
from kws_benchmarks.stream.matching import Script, Span, Tally, Verdict, judge, latency_ms, on_words
from kws_benchmarks.stream.outcomes import Streams, Tallies
from kws_benchmarks.stream.thresholds import best_thresholds, sweep
from kws_benchmarks.stream.trace import Trace, at_thresholds, listen, replay
from kws_device import InputError, Spotter, audio_files
from kws_device.decoder import Decoder
from kws_device.events import Event
from kws_device.model import model_file
from kws_device.model.manifest_parts import ArmingConfig
from kws_training.data.corpus import Recording
from kws_training.data.layouts import Clip
from kws_training.data.masks import Said
from kws_training.data.segments import power
from kws_training.data.splits import SPLITS

RATE = 16000
NOTHING = Script((), ())


def passage(folder: Path, name: str, samples) -> Passage:
    soundfile.write(folder / name, samples, RATE, subtype="FLOAT")
    return Passage(folder / name, name)


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


def said(word, start_s=0.0, end_s=math.inf):
    return Said(word, start_s, end_s)


def spans(*in_sentences):
    """Recordings of ten seconds each in which these words are said."""
    return tuple(
        Span(10.0 * i, 10.0 * i + 10, Passage(Path(f"{i}.wav"), f"{i}.wav", tuple(map(said, words))))
        for i, words in enumerate(in_sentences)
    )


def test_a_target_takes_one_event_and_every_other_event_is_false():
    targets = [Target("yes", 1, 2, 1.6), Target("no", 7, 8, 7.7), Target("yes", 10, 11, 10.5)]
    script = Script(tuple(targets), spans([], []))
    events = [event("yes", 1.8), event("yes", 2.3), event("no", 4.8), event("no", 10.9), event("yes", 12.5)]
    yes, no = (judge(events, script, word) for word in ("yes", "no"))
    assert yes == Verdict(((targets[0], events[0]),), (targets[2],), (events[1], events[4]), ())
    assert no == Verdict((), (targets[1],), (events[2], events[3]), ())
    assert (on_words(yes, script), on_words(no, script)) == (1, 1)
    assert latency_ms([yes])["median"] == pytest.approx(200)
    assert latency_ms([no]) == {"median": None, "p95": None}


def test_what_the_reader_says_is_masked_in_that_utterance_and_for_that_word_alone():
    targets = [Target("no", 11, 12, 11.5)]
    script = Script(tuple(targets), spans([], ["no"], []))
    events = [event("no", 5), event("no", 11.9), event("no", 15), event("yes", 16), event("no", 20.5)]
    events += [event("no", 21)]
    no, yes = (judge(events, script, word) for word in ("no", "yes"))
    assert (no.hits, no.misses) == (((targets[0], events[1]),), ())
    assert (no.false, no.masked) == ((events[0], events[5]), (events[2], events[4]))
    assert yes.false == (events[3],)
    figures = counts(no.tally(), script.hours())
    assert (figures["targets"], figures["hits"], figures["masked"]) == (1, 1, 2)
    assert figures["false_accepts_per_hour"] == pytest.approx(2 / (30 / 3600))


def test_an_occurrence_in_a_sentence_takes_one_event_and_one_with_a_time_only_events_there():
    script = Script((), spans(["no", "no"], [], ["no"]))
    timed = Passage(Path("3.wav"), "3.wav", (said("no", 2, 2.5),), (said("no", 6, 6.5),))
    script = Script((), (*script.spans, Span(30, 40, timed)))
    inside = [event("no", 4), event("no", 20.1), event("no", 32.4), event("no", 36.9)]
    outside = [event("no", 22), event("no", 31), event("no", 34)]
    found = judge(sorted(inside + outside, key=lambda e: e.end_s), script, "no")
    # 22 s lies in the third recording, whose only occurrence may be anywhere in it.
    assert set(found.masked) == {*inside, outside[0]}
    assert set(found.false) == set(outside[1:])
    assert (found.said, found.said_heard) == (4, 3)
    assert judge([], script, "no").tally() == Tally(said=4)


def test_transcripts_masks_and_folders_tell_what_is_said(tmp_path):
    for name in ("1-2-0", "1-2-1", "1-2-2", "a", "b"):
        passage(tmp_path, f"{name}.wav", np.zeros(RATE))
    text = "1-2-0 GO ON SAID HE NO, NO\n1-2-1 NOW STOPPED UPON A GOAT'S DOWN-HILL\n"
    (tmp_path / "1-2.trans.txt").write_text(text)
    (tmp_path / "masks.csv").write_text(
        "recording,start_s,end_s,word,score\n1-2-1.wav,0.2,0.4,down,1\n1-2-0.wav,0.5,0.7,no,1\na.wav,0,1,Yes,1\n"
    )
    (tmp_path / "go").mkdir()
    passage(tmp_path / "go", "1-2-1.wav", np.zeros(RATE))
    (talk,) = backgrounds(sources([str(tmp_path)]), [], "all", ("yes", "no", "go", "stop", "down"))
    found = {p.name: (p.in_sentences, p.apart) for p in talk.passages}
    assert found == {
        "1-2-0.wav": ((said("no"), said("no"), said("go")), ()),  # one time for two occurrences tells neither
        "1-2-1.wav": ((said("down", 0.2, 0.4),), ()),
        "a.wav": ((), (said("yes", 0, 1),)),
        "go/1-2-1.wav": ((said("down", 0.2, 0.4),), (said("go"),)),
    }
    assert (talk.left_out, talk.transcribed) == (("1-2-2.wav", "b.wav"), True)
    for name in ("1-2.trans.txt", "masks.csv"):
        (tmp_path / name).unlink()
    (talk,) = backgrounds(sources([f"talk={tmp_path}"]), [], "all", ("no",))
    assert (talk.name, len(talk.passages), talk.transcribed, talk.left_out) == ("talk", 6, False, ())
    with pytest.raises(InputError, match="in two of the folders"):
        backgrounds(*(sources([f"{n}={tmp_path}"]) for n in ("talk", "noise")), "all", ("no",))


def test_backgrounds_are_named_by_their_folders_or_as_one_likes(tmp_path):
    for name in ("a/train", "b/train", "b/x=y"):
        (tmp_path / name).mkdir(parents=True)
    texts = [tmp_path / "a/train", f"words={tmp_path}/b/train", tmp_path / "b/x=y", f"words={tmp_path}"]
    assert [s.name for s in sources([str(t) for t in texts])] == ["train", "words", "x=y", "words"]
    assert [s.name for s in sources([str(tmp_path / n / "train") for n in "ab"])] == ["a/train", "b/train"]


def test_each_split_hears_its_own_part_of_talk_and_noise(tmp_path):
    for folder in ("talk", "noise"):
        (tmp_path / folder).mkdir()
        for speaker in range(10):
            passage(tmp_path / folder, f"{speaker}-1-0001.wav", np.zeros(RATE))
    talk, noise = (sources([str(tmp_path / name)]) for name in ("talk", "noise"))
    heard = {
        split: [p.path for bed in backgrounds(talk, noise, split, ("yes",)) for p in bed.passages]
        for split in ("train", "validation", "test", "all")
    }
    assert [len(paths) for paths in heard.values()] == [10, 4, 6, 20]
    assert sorted(path for split in SPLITS for path in heard[split]) == sorted(heard["all"])


@pytest.fixture(scope="module")
def trace(demo):
    """The demo recording, heard once."""
    return listen(Spotter.load(), continuous([Passage(demo / "demo.flac", "demo.flac")], RATE))


def test_thresholds_are_tried_as_exactly_as_if_the_model_had_listened_again(trace, demo):
    own = trace.manifest.decoder.thresholds
    assert len(trace.events) > 8
    assert tuple(replay(trace, trace.manifest)) == trace.events
    streams = Streams(trace.manifest.keywords, (), {"demo": trace}, {})
    swept = sweep(streams, own)
    assert set(own.values()) <= set(swept)
    for p in (0.05, 0.3, 0.75, 0.9):
        spotter = Spotter.load(thresholds=dict.fromkeys(own, p))
        heard = listen(spotter, continuous([Passage(demo / "demo.flac", "demo.flac")], RATE)).events
        assert trace.at(dict.fromkeys(own, p)) == list(heard)
        for word, tally in swept[p].background["demo"].items():
            assert tally.false_accepts == sum(e.keyword == word for e in heard)
    assert not any(tally.false_accepts for tally in swept[1.0].background["demo"].values())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 99), st.floats(0.05, 0.95), st.floats(0, 1.5))
def test_a_replay_of_the_recorded_decisions_is_that_of_all_of_them(seed, p, refractory_s):
    """Scores that stay over and under thresholds for random times, long ones among them."""
    manifest = first_network().manifest
    manifest = replace(manifest, decoder=replace(manifest.decoder, refractory_s=refractory_s))
    rng = np.random.default_rng(seed)
    labels = manifest.labels["keyword"]
    scores = np.repeat(rng.dirichlet(np.full(len(labels), 0.1), 60), rng.integers(1, 30, 60), axis=0)
    scene = np.eye(len(manifest.labels["scene"]))[np.zeros(len(scores), int)]
    decoder = Decoder(at_thresholds(manifest, dict.fromkeys(manifest.keywords, p)))
    decisions = [
        decoder.decide_smoothed({"keyword": row, "scene": scene[n]}, n / 10) for n, row in enumerate(scores)
    ]
    spoken = [labels.index(word) for word in manifest.keywords]
    kept = np.flatnonzero((scores[:, spoken] > 0.05).any(axis=1))
    rows = {"keyword": scores[kept], "scene": scene[kept]}
    trace = Trace(manifest, kept, kept / 10, rows, {}, (), Script((), ()))
    assert trace.at(dict.fromkeys(manifest.keywords, p)) == [d.event for d in decisions if d.event]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 99), st.floats(0.3, 3.0))
def test_a_replay_arms_as_the_device_does(seed, armed_s):
    """Also where long runs of decisions at which nothing happens are left out."""
    plain = Spotter.load().manifest
    plain = at_thresholds(plain, dict.fromkeys(plain.keywords, 0.5))
    by, *commands = plain.keywords
    manifest = plain.with_arming(ArmingConfig(by, armed_s, tuple(commands), {commands[0]: 0.1}))
    rng = np.random.default_rng(seed)
    labels = manifest.labels["keyword"]
    likely = [labels.index(by), labels.index(commands[0]), labels.index("_silence_")]
    alpha = np.full(len(labels), 0.01)
    alpha[likely] = 1
    scores = np.repeat(rng.dirichlet(alpha, 60), rng.integers(1, 12, 60), axis=0)
    scene = np.eye(len(manifest.labels["scene"]))[np.zeros(len(scores), int)]
    decoder = Decoder(manifest)
    decisions = [
        decoder.decide_smoothed({"keyword": row, "scene": scene[n]}, n / 10) for n, row in enumerate(scores)
    ]
    spoken = [labels.index(word) for word in manifest.keywords]
    kept = np.flatnonzero((scores[:, spoken] > 0.05).any(axis=1))
    trace = Trace(plain, kept, kept / 10, {"keyword": scores[kept], "scene": scene[kept]}, {}, (), NOTHING)
    assert replay(trace, manifest) == [d.event for d in decisions if d.event]


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=3, max_size=3),
        min_size=1, max_size=3,
    ),
    st.integers(0, 8),
)  # fmt: skip
def test_tuning_finds_what_trying_everything_finds(table, allowed):
    """Of each keyword: false accepts and misses at three thresholds; at 1 there is never a false accept."""
    places = (0.5, 0.7, 0.9, 1.0)
    rows = [[*row, (0, 4)] for row in table]
    names = [str(k) for k in range(len(table))]
    swept = {
        p: Tallies(
            {"talk": {name: Tally(false_accepts=row[i][0]) for name, row in zip(names, rows, strict=True)}},
            {"alone": {name: Tally(4, 4 - row[i][1]) for name, row in zip(names, rows, strict=True)}},
        )
        for i, p in enumerate(places)
    }

    def cost(thresholds):
        chosen = [rows[int(name)][places.index(p)] for name, p in thresholds.items()]
        false = sum(f for f, _ in chosen)
        return (sum(missed**2 for _, missed in chosen), false) if false <= allowed else (math.inf, 0)

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
    model_file.write(tmp_path / "even.tflite", file.model, even, file.verifier)
    arming = ["--armed-by", "yes", "--for", "4"]
    found = report(command, tmp_path, *folders, "--model", tmp_path / "even.tflite", *arming)
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
    assert list(found["background"]) == ["reading", "noise"]
    assert sum(of["hours"] for of in found["background"].values()) == pytest.approx(found["hours"], abs=2e-5)
    placed = [found["placed"][name] for name in ("alone", "over_voice")]
    for parts, names in (
        (placed, ("targets", "hits", "misses")),
        (found["background"].values(), ("false_accepts",)),
    ):
        for name in names:
            assert sum(of[name] for of in parts) == found[name]
            for of in parts:
                assert sum(word[name] for word in of["per_keyword"].values()) == of[name]
    assert found["placed"]["in_sentence"]["hits"] <= len(found["masked_events"]) == found["masked"]
    assert len(found["placed_words"]) == found["targets"]
    assert sum(word["score"] is not None for word in found["placed_words"]) == found["hits"]
    (own,) = (point for point in found["curve"] if point["threshold"] == 0.8)
    assert_within(own, {**found, "threshold": 0.8})
    assert found["curve"][-1]["hits"] == found["curve"][-1]["false_accepts"] == 0
    # Thresholds of arming are those of the model here, so armed all the time is as without arming.
    armed, words = found["armed"], dict(found["per_keyword"])
    yes = words.pop("yes")
    for name in ("targets", "hits", "misses"):
        assert sum(of[name] for of in armed["placed"].values()) == sum(of[name] for of in words.values())
    always = sum(of["false_accepts"] for of in words.values())
    assert armed["false_commands"]["per_armed_hour"] == pytest.approx(always / found["hours"], abs=1e-3)
    assert armed["false_commands"]["count"] <= always
    assert (armed["armings"]["false"], armed["armings"]["said"]) == (yes["false_accepts"], yes["masked"])


def assert_within(part, whole):
    """Every figure of a part stands in the whole, too."""
    for name, value in part.items():
        if isinstance(value, dict):
            assert_within(value, whole[name])
        else:
            assert value == whole[name], name


def test_tuned_thresholds_keep_to_the_rate_and_travel_in_the_files(command, folders, tmp_path, shipped):
    models = [tmp_path / f"mine.{suffix}" for suffix in ("tflite", "onnx")]
    for model in models:
        shutil.copy(shipped.with_suffix(model.suffix), model)
    before = [model_file.read(model) for model in models]
    arguments = [*folders, "--model", models[0]]
    found = report(command, tmp_path / "tuned", *arguments, "--tune", "60", "--tune-also", models[1])
    for old, new in zip(before, map(model_file.read, models), strict=True):
        assert (new.model, new.kind) == (old.model, old.kind)
        assert new.manifest.hash != old.manifest.hash
        assert new.manifest.decoder.false_accepts_per_hour == 60
        thresholds = {word: figures["threshold"] for word, figures in found["per_keyword"].items()}
        assert new.manifest.decoder.thresholds == thresholds
    assert found["tuned_from"] == before[0].manifest.hash
    assert found["hash"] == model_file.read(models[0]).manifest.hash
    assert found["false_accepts_per_hour"] <= 60
    assert found["miss_rate"] < 1
    again = report(command, tmp_path / "again", *arguments)
    del found["tuned_from"]
    # A curve has a point at the thresholds that the file had, too.
    own = set(before[0].manifest.decoder.thresholds.values())
    for each in (found, again):
        each["curve"] = [point for point in each["curve"] if point["threshold"] not in own]
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
    (tmp_path / "test").mkdir()
    passage(tmp_path / "test", "quiet.wav", 1e-3 * np.random.default_rng(0).standard_normal(20 * RATE))
    found = report(
        command, tmp_path, "--speech", data / "speech_commands_mini", "--noise", data / "noise" / "test",
        "--negatives", tmp_path / "test", "--split", "test", "--snr", "20", "--pitch", "2.5", "--passes", "2",
    )  # fmt: skip
    alone, noise = found["placed"]["alone"], found["background"]["noise/test"]
    print(alone["hits"], alone["misses"], noise["false_accepts"])
    assert alone["targets"] >= 100
    assert alone["miss_rate"] <= 0.15
    assert noise["false_accepts"] <= 2 * 60 * noise["hours"]
