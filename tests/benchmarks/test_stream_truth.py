"""kws-bench stream on sound whose truth is known, heard by listeners that cannot err; and exact bounds."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_benchmarks.peers import environments
from kws_benchmarks.peers.environments import Peer
from kws_benchmarks.peers.peer_process import Step, hear
from kws_benchmarks.stream import compose as composing
from kws_benchmarks.stream.backgrounds import Passage, sources
from kws_benchmarks.stream.benchmark import measured
from kws_benchmarks.stream.compose import compose, continuous
from kws_benchmarks.stream.listeners import PeerTrace
from kws_benchmarks.stream.matching import Script, ScriptWriter
from kws_benchmarks.stream.poisson import bound95
from kws_benchmarks.stream.session import Plan
from kws_benchmarks.stream.thresholds import check_shown
from kws_benchmarks.stream.trace import Trace, at_thresholds, listen
from kws_device import InputError, Spotter
from kws_device.decoder import Decoder
from kws_device.events import Event
from kws_device.model.manifest import SCHEMA
from kws_device.model.manifest_parts import VerifierConfig
from kws_training.data.corpus import Recording
from kws_training.data.layouts import Clip

RATE = 8000


@pytest.mark.parametrize(
    ("events", "bound"),
    [
        (0, 2.9957),
        (1, 4.7439),
        (2, 6.2958),
        (3, 7.7537),
        (4, 9.1535),
        (5, 10.513),
        (10, 16.962),
        (20, 29.062),
    ],
)
def test_bounds_are_those_of_published_tables(events, bound):
    """Upper one-sided 95 % limits of a Poisson mean, as in Garwood 1936."""
    assert bound95(events, 1.0) == pytest.approx(bound, abs=6e-4)
    assert bound95(events, 8.0) == pytest.approx(bound / 8, abs=1e-4)


@settings(deadline=None)
@given(st.integers(0, 300), st.floats(0.01, 100))
def test_at_the_bound_so_few_events_have_a_probability_of_5_percent(events, hours):
    mean = bound95(events, hours) * hours
    terms = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(events + 1)]
    assert math.fsum(terms) == pytest.approx(0.05, rel=1e-6)


def test_a_rate_that_so_few_hours_cannot_show_is_refused_with_the_hours_it_takes():
    check_shown(0.5, 6.0)
    with pytest.raises(InputError, match=r"--tune 0\.5: 5\.99 h .* at least 6 h"):
        check_shown(0.5, 5.99)


class Heard:
    def __init__(self, script, events):
        self.script, self.events = script, events

    def at(self, thresholds):
        return [event for event in self.events if event.score > thresholds[event.keyword]]


class ClickListener:
    """Reports `yes` at each click, as sure as the click is loud among what is around it."""

    name, hash, tuned_to, sample_rate_hz = "clicks", "c" * 64, None, RATE

    def __init__(self):
        self.thresholds = {"yes": 0.5, "no": 0.5}

    def listen(self, segments):
        writer, events = ScriptWriter(), []
        for segment in segments:
            writer.add(segment)
            for at in np.flatnonzero(np.abs(segment.samples) > 0.5).tolist():
                end_s = segment.start_s + at / RATE + 0.2
                events.append(Event("yes", 0.9, end_s - 1, end_s, None, None))
        return Heard(writer.script(), events)


def write(path: Path, seconds, clicks=(), seed=0):
    """Noise at -40 dBFS with clicks at these seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.01 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    for at in clicks:
        samples[round(at * RATE)] = 0.9
    soundfile.write(path, samples, RATE, subtype="FLOAT")


@pytest.fixture
def folders(tmp_path):
    """Talk with five clicks, one of them masked and two in sentences, noise with one, and words."""
    write(tmp_path / "read/1-1-0.wav", 40, [10])
    write(tmp_path / "read/1-1-1.wav", 40, [10, 20])
    (tmp_path / "read/1.trans.txt").write_text("1-1-0 AND SO\n1-1-1 YES AND YES AND YES HE SAID\n")
    write(tmp_path / "orders/a.wav", 100, [10, 90])
    (tmp_path / "masks.csv").write_text("recording,start_s,end_s,word\norders/a.wav,89.5,90.1,yes\n")
    write(tmp_path / "noise/n.wav", 130, [65.5])
    rng = np.random.default_rng(5)
    for n in range(12):
        clip = 0.02 * rng.standard_normal(RATE // 2)
        clip[RATE // 4] = 2.0 if n % 3 else 0.02  # every third word has no click
        for word in ("yes", "no"):
            (tmp_path / "words" / word).mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / "words" / word / f"s{n}.wav", clip, RATE, subtype="FLOAT")
    return tmp_path


def plan(folders, **more):
    talk = sources([f"read={folders}/read", f"orders={folders}/orders"])
    noise = sources([f"noise={folders}/noise"])
    given = {"snr_db": 10.0, "pitch_s": 3.0, "masks": [folders / "masks.csv"], **more}
    return Plan(folders / "words", talk, noise, "all", **given)


def test_what_is_known_to_be_there_is_counted(folders, tmp_path):
    found = measured(ClickListener(), plan(folders), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "stream.json").read_text()) == found
    background = {name: (of["false_accepts"], of["masked"]) for name, of in found["background"].items()}
    assert background == {"read": (1, 2), "orders": (1, 1), "noise": (1, 0)}
    assert found["background"]["orders"]["bound95"] == pytest.approx(bound95(1, 100 / 3600), abs=1e-3)
    assert (found["false_accepts"], found["masked"]) == (3, 3)
    assert found["hours"] == pytest.approx(310 / 3600, abs=1e-5)
    in_sentence = found["placed"]["in_sentence"]
    assert (in_sentence["targets"], in_sentence["hits"]) == (3, 2)
    assert in_sentence["per_keyword"]["no"] == {"targets": 0, "hits": 0, "misses": 0, "miss_rate": None}
    assert [(e["background"], e["recording"], e["end_s"]) for e in found["false_events"]] == [
        ("read", "1-1-0.wav", 10.2),
        ("orders", "a.wav", 10.2),
        ("noise", "n.wav", 65.7),
    ]
    assert [(e["recording"], e["end_s"]) for e in found["masked_events"]] == [
        ("1-1-1.wav", 10.2),
        ("1-1-1.wav", 20.2),
        ("a.wav", 90.2),
    ]
    # Of each condition, every word of `yes` with a click was heard, at its place, and no other.
    clicks = {f"s{n}.wav" for n in range(12) if n % 3}
    for name in ("alone", "over_voice"):
        words = [word for word in found["placed_words"] if word["condition"] == name]
        assert len(words) == found["placed"][name]["targets"] > 10
        for word in words:
            heard = word["keyword"] == "yes" and word["clip"] in clicks
            assert (word["score"] is not None) == heard
            if heard:
                assert word["end_s"] == pytest.approx(word["start_s"] + 0.25 + 0.2, abs=0.011)
    # Recordings in which a keyword is said have no placed words over them.
    assert {w["recording"] for w in found["placed_words"]} == {"1-1-0.wav", "n.wav"}
    taken = sum(w["keyword"] == "no" and w["clip"] in clicks for w in found["placed_words"])
    # Beside words that are taken for another, a click of the background may fall on a word, one for each bed.
    assert taken <= found["false_accepts_on_words"] <= taken + 2


def test_a_stream_is_the_same_for_the_same_seed(folders, tmp_path):
    one, again, other = (
        measured(ClickListener(), plan(folders, seed=seed, passes=2), tmp_path) for seed in (1, 1, 2)
    )
    assert one == again
    assert one["placed_words"] != other["placed_words"]
    assert one["background"] == other["background"]


def test_without_noise_or_words_or_transcripts_a_condition_is_null(folders, tmp_path):
    (folders / "read/1.trans.txt").unlink()
    found = measured(ClickListener(), replace(plan(folders), noise=[]), tmp_path)
    assert (found["placed"]["alone"], found["placed"]["in_sentence"]) == (None, None)
    assert found["without_transcript"] == ["read"]
    found = measured(ClickListener(), replace(plan(folders), speech=None), tmp_path)
    assert set(found["placed"].values()) == {None}
    assert (found["targets"], found["background"]["noise"]["false_accepts"]) == (0, 1)


def test_a_mask_of_other_recordings_and_one_name_for_speech_and_noise_are_refused(folders, tmp_path):
    (folders / "other.csv").write_text("recording,start_s,end_s,word\nnone.wav,0,1,yes\n")
    with pytest.raises(InputError, match=r"other.csv: names none of the recordings"):
        measured(ClickListener(), plan(folders, masks=[folders / "other.csv"]), tmp_path / "out")
    both = replace(plan(folders), noise=sources([f"read={folders}/noise"]))
    with pytest.raises(InputError, match="read: is the name of both speech and noise"):
        measured(ClickListener(), both, tmp_path / "out")
    twice = replace(plan(folders), noise=sources([f"again={folders}/read/"]))
    with pytest.raises(InputError, match=r"1-1-0\.wav: is in two of the folders"):
        measured(ClickListener(), twice, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_long_recordings_are_heard_in_pieces_and_stay_one_recording(tmp_path, monkeypatch):
    monkeypatch.setattr(composing, "_PIECE_S", 3.0)
    write(tmp_path / "long.wav", 20.5)
    passages = [Passage(tmp_path / "long.wav", "long.wav")] * 2
    writer, pieces = ScriptWriter(), list(continuous(passages, RATE))
    for piece in pieces:
        writer.add(piece)
    whole = np.concatenate([piece.samples for piece in pieces])
    sound, _ = soundfile.read(tmp_path / "long.wav", dtype="float32")
    assert np.array_equal(whole, np.tile(sound, 2))
    assert max(len(piece.samples) for piece in pieces) <= 4 * RATE
    assert [(span.start_s, span.end_s) for span in writer.script().spans] == [(0, 20.5), (20.5, 41)]


def test_a_word_over_a_voice_stands_where_the_talker_speaks(tmp_path):
    """The talker speaks and pauses for ten seconds each, 30 dB apart."""
    rng = np.random.default_rng(0)
    loud = np.repeat([True, False] * 6, 10 * RATE)
    sound = rng.standard_normal(len(loud)) * np.where(loud, 0.1, 0.003)
    soundfile.write(tmp_path / "talk.wav", sound, RATE, subtype="FLOAT")
    clip = (0.1 * rng.standard_normal(RATE // 2)).astype(np.float32)
    words = [Recording(clip, "yes", Clip(Path("a.wav"), "yes", "test", "s"))] * 60
    passages = [Passage(tmp_path / "talk.wav", "talk.wav")]
    for over_talk in (True, False):
        segments = list(compose(passages, words, 10.0, RATE, 1, 2.0, over_talk))
        spoken = [
            loud[round(t.start_s * RATE) : round(t.end_s * RATE)].mean() for s in segments for t in s.targets
        ]
        assert len(spoken) > 15
        assert bool(min(spoken) > 0.2) is over_talk


def test_only_decisions_that_could_matter_are_kept_so_that_hours_of_sound_fit_in_memory(tmp_path):
    soundfile.write(tmp_path / "a.wav", 1e-3 * np.random.default_rng(0).standard_normal(20 * 16000), 16000)
    trace = listen(Spotter.load(), continuous([Passage(tmp_path / "a.wav", "a.wav")], 16000))
    assert len(trace.index) < 10


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 99), st.floats(0.1, 0.9), st.floats(0, 1.5))
def test_with_a_verifier_a_replay_of_the_recorded_decisions_is_that_of_all_of_them(seed, p, refractory_s):
    manifest = Spotter.load().manifest
    labels, words = manifest.labels["keyword"], manifest.keywords
    verifier = VerifierConfig(
        2000.0, 300.0, 1, words, True, dict.fromkeys(words, 0.3), first_weight=0.0, scale=1.0, offset=0.0,
        sha256="0" * 64,
    )  # fmt: skip
    decoder = replace(manifest.decoder, refractory_s=refractory_s)
    manifest = replace(manifest, schema=SCHEMA, verifier=verifier, decoder=decoder)
    rng = np.random.default_rng(seed)
    scores = np.repeat(rng.dirichlet(np.full(len(labels), 0.1), 60), rng.integers(1, 30, 60), axis=0)
    scene = np.full((len(scores), len(manifest.labels["scene"])), 0.1)
    told = {
        int(n): {str(word): float(rng.uniform())}
        for n, word in zip(rng.choice(len(scores), 40, False), rng.choice(words, 40), strict=True)
    }
    decides = Decoder(at_thresholds(manifest, dict.fromkeys(words, p)))
    decisions = [
        decides.decide_smoothed({"keyword": row, "scene": scene[n]}, n / 10, told.get(n, {}))
        for n, row in enumerate(scores)
    ]
    spoken = [labels.index(word) for word in words]
    kept = [n for n, row in enumerate(scores) if n in told or (row[spoken] > 0.05).any()]
    trace = Trace(
        manifest, np.array(kept), np.array(kept) / 10, {"keyword": scores[kept], "scene": scene[kept]},
        {row: told[n] for row, n in enumerate(kept) if n in told}, (), Script((), ()),
    )  # fmt: skip
    assert trace.at(dict.fromkeys(words, p)) == [d.event for d in decisions if d.event]


def test_a_peer_reports_a_word_once_until_its_score_fell_and_a_second_passed():
    scores = [0.6, 0.9, 0.9, None, 0.9, None, *[None] * 20, 0.95, 0.4]
    steps = tuple(Step(n, n / 10, score) for n, score in enumerate(scores) if score is not None)
    found = PeerTrace("alexa", 0.5, steps, Script((), ()))
    assert [event.end_s for event in found.events] == [0.0, 2.6]
    assert [event.end_s for event in found.at({"alexa": 0.8})] == [0.1, 2.6]
    assert [event.end_s for event in found.at({"alexa": 0.92})] == [2.6]


FAKE = """
import sys
print("threshold", 0.7)
n = 0
while sound := sys.stdin.buffer.read(2 * 1600):
    if sys.argv[1] == "fail" and n == 3:
        sys.exit("it broke")
    loud = max(abs(int.from_bytes(sound[i : i + 2], "little", signed=True)) for i in range(0, len(sound), 2))
    print("step", n, (n + 1) / 10, loud / 32768)
    n += 1
print("cpu_s", 0.5)
"""


def test_a_peer_hears_sound_as_16_bit_and_its_failure_is_told_in_one_line(tmp_path):
    (tmp_path / "fake.py").write_text(FAKE)
    peer = Peer("fake", str(tmp_path / "fake.py"), ("loud", "fail"), ())
    blocks = [np.full(1000, level, np.float32) for level in (0.0, 0.5, 2.0, -0.25)]
    answers = hear(peer, Path(sys.executable), "loud", blocks)
    assert (answers.threshold, answers.cpu_s) == (0.7, 0.5)
    assert [round(step.score, 2) for step in answers.steps] == [0.5, 1.0, 0.25]
    with pytest.raises(InputError, match="fake failed: it broke"):
        hear(peer, Path(sys.executable), "fail", [np.zeros(100_000, np.float32)] * 20)


def test_peers_and_their_words_are_named_and_others_refused():
    peer, word = environments.find("pymicro-wakeword:alexa")
    assert (peer.name, word) == ("pymicro-wakeword", "alexa")
    for text, told in (
        ("porcupine:alexa", "known engines are"),
        ("openwakeword", "words of"),
        ("openwakeword:x", "alexa"),
    ):
        with pytest.raises(InputError, match=told):
            environments.find(text)
