"""Words that are taught by a few takes: refused where they must be, written into the file, and heard."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import soxr
from helpers import one_line_refusal, run_installed

pytest.importorskip("onnx", reason="onnx is not installed")
import onnx
from small_embedding import SIZE, config, with_embedding

from kws_device import AudioFile, InputError, Spotter, audio_files
from kws_device.model import model_file
from kws_device.model.manifest import ARMING_SCHEMA, EMBEDDING_SCHEMA
from kws_device.model.manifest_json import parse, to_json
from kws_device.model.taught_words import TaughtWord
from kws_device.taught_words import likeness, unit
from kws_device.teaching import THRESHOLD, forget, teach
from kws_device.word_end import WordEnd

RATE = 16000
SHIPPED = model_file.read(model_file.find("kws", ("onnx",)))


def glide(rng, first_hz, last_hz, seconds=0.6):
    n = round(seconds * rng.uniform(0.95, 1.05) * RATE)
    hz = np.linspace(first_hz, last_hz, n) * rng.uniform(0.97, 1.03)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / RATE) * np.hanning(n)).astype(np.float32)


def take(rng, first_hz=400.0, last_hz=3000.0):
    sound = (1e-3 * rng.standard_normal(2 * RATE)).astype(np.float32)
    word = glide(rng, first_hz, last_hz)
    sound[RATE // 2 : RATE // 2 + len(word)] += word
    return sound


def takes(count=5, first_hz=400.0, last_hz=3000.0, seed=0):
    rng = np.random.default_rng(seed)
    return [take(rng, first_hz, last_hz) for _ in range(count)]


@pytest.fixture(scope="module")
def talk():
    """Windows in which one glide follows another, never that of a word of these tests."""
    rng = np.random.default_rng(1)
    windows = []
    for _ in range(600):
        parts = [glide(rng, *rng.uniform(200, 2500, 2), rng.uniform(0.1, 0.3)) for _ in range(12)]
        windows.append(np.concatenate(parts)[: 3 * RATE // 2])
    return windows


@pytest.fixture(scope="module")
def file(talk, tmp_path_factory):
    return with_embedding(tmp_path_factory.mktemp("embedding") / "kws.onnx", talk)


def test_a_word_is_taught_by_five_takes_and_all_of_them_are_heard(file):
    lesson = teach(file, "rise", takes())
    assert (lesson.heard, lesson.left_out) == (5, ())
    assert lesson.manifest.keywords == (*SHIPPED.manifest.keywords, "rise")
    assert lesson.manifest.decoder.thresholds["rise"] == THRESHOLD
    assert np.shape(lesson.word.takes) == (5, SIZE)


def test_the_score_tells_how_rare_it_is_in_talk(file):
    """At the threshold half a false accept an hour, and e times fewer for each more in log-odds."""
    word = teach(file, "rise", takes()).word
    at = -word.offset / word.scale
    assert word.score(at) == pytest.approx(0.5)
    bank = np.frombuffer(file.embedding.bank, np.int8).reshape(-1, SIZE)
    alike = np.sort(likeness(unit(np.array(word.takes)), unit(bank)))[::-1]
    surest = alike[:60] - alike[60]
    assert 1 / word.scale == pytest.approx(surest.mean(), rel=1e-6)
    assert 60 * np.exp(-(at - alike[60]) * word.scale) == pytest.approx(0.5, rel=1e-6)


def test_a_bank_of_more_hours_gives_a_lower_threshold(talk, tmp_path):
    cosine = {}
    for hours in (1.0, 10.0):
        word = teach(with_embedding(tmp_path / "a.onnx", talk, hours), "rise", takes()).word
        cosine[hours] = -word.offset / word.scale
        assert word.scale == pytest.approx(word.scale)
    assert cosine[10.0] < cosine[1.0]


def test_a_take_without_the_word_is_left_out_and_told(file):
    rng = np.random.default_rng(2)
    quiet = (1e-3 * rng.standard_normal(RATE)).astype(np.float32)
    lesson = teach(file, "rise", [*takes()[:3], quiet, *takes()[3:]])
    assert lesson.left_out == (3,)
    assert len(lesson.word.takes) == 5


def test_the_likeness_is_half_the_mean_and_half_the_nearest_take():
    takes = unit(np.array([[1, 0, 0], [0, 1, 0]]))
    heard = unit(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [-1, -1, 0]]))
    root = np.sqrt(0.5)
    assert likeness(takes, heard) == pytest.approx([(root + 1) / 2, (1 + root) / 2, 0, (-1 - root) / 2])


@pytest.mark.parametrize("count", [0, 1, 5])
def test_silence_teaches_nothing(count, file):
    with pytest.raises(InputError, match=f"rise: found in 0 of {count} takes, and 3 are needed"):
        teach(file, "rise", [np.zeros(RATE, np.float32)] * count)


def test_takes_of_different_words_are_refused(file):
    mixed = [*takes(3), *takes(2, 3000.0, 500.0)]
    with pytest.raises(InputError, match=r"take 4, 5 of 5 does not sound like the others"):
        teach(file, "rise", mixed)


def test_a_word_that_is_like_talk_is_refused(tmp_path):
    rng = np.random.default_rng(3)
    length = 3 * RATE // 2
    sounds = [np.concatenate([np.zeros(length, np.float32), take(rng)]) for _ in range(300)]
    ends = length + RATE // 2 + round(0.6 * RATE) + rng.integers(2000, 7000, 300)
    alike = [sound[end - length : end] for sound, end in zip(sounds, ends, strict=True)]
    file = with_embedding(tmp_path / "kws.onnx", alike, bank_hours=0.1)
    with pytest.raises(
        InputError, match=r"rise: cannot be told from other speech \(heard in \d of 5 takes\)"
    ):
        teach(file, "rise", takes())


def test_a_word_that_sounds_like_a_taught_one_is_refused_and_another_is_not(file):
    first = replace(file, manifest=teach(file, "rise", takes()).manifest)
    with pytest.raises(InputError, match="climb: sounds like rise, which is taught already"):
        teach(first, "climb", takes(seed=7))
    both = teach(first, "fall", takes(5, 3000.0, 400.0)).manifest
    assert [word.word for word in both.taught] == ["rise", "fall"]
    again = teach(replace(file, manifest=both), "rise", takes(seed=8)).manifest
    assert [word.word for word in again.taught] == ["fall", "rise"]


def test_a_keyword_that_the_model_has_is_refused_by_name_and_by_sound(file, demo):
    with pytest.raises(InputError, match="yes: the model hears it already"):
        teach(file, "yes", takes())
    said = word_of(demo, "yes")
    with pytest.raises(InputError, match="ja: the model takes it for yes"):
        teach(file, "ja", said)


def test_a_model_without_an_embedding_is_refused():
    with pytest.raises(InputError, match="has no embedding"):
        teach(SHIPPED, "rise", takes())


def test_a_word_is_forgotten_and_the_others_stay(file):
    manifest = teach(file, "rise", takes()).manifest
    manifest = teach(replace(file, manifest=manifest), "fall", takes(5, 3000.0, 400.0)).manifest
    left = forget(manifest, "rise")
    assert left.keywords == (*SHIPPED.manifest.keywords, "fall")
    assert forget(left, "fall") == file.manifest
    for word in ("rise", "yes", ""):
        with pytest.raises(InputError, match="was not taught; those that were: fall"):
            forget(left, word)


def word_of(demo, keyword):
    """Five takes of a word of the demo: faster, slower, louder, softer."""
    truth = json.loads((demo / "demo.json").read_text(encoding="utf-8"))
    sound = audio_files.read(demo / "demo.flac", RATE)
    row = next(row for row in truth if row["word"] == keyword)
    first, last = (round(row[key] * RATE) for key in ("start_s", "end_s"))
    pause = (1e-4 * np.random.default_rng(4).standard_normal(RATE)).astype(np.float32)
    return [
        np.concatenate([pause, gain * soxr.resample(sound[first:last], by, 1.0), pause]).astype(np.float32)
        for by, gain in ((1.0, 1.0), (0.96, 0.7), (1.04, 0.9), (0.98, 0.5), (1.02, 0.8))
    ]


def test_a_taught_word_is_heard_in_a_recording_and_nothing_else_changes(talk, demo, tmp_path):
    """The keywords of the model are set deaf, so that one of them can be taught under another name."""
    silent = with_embedding(tmp_path / "kws.onnx", talk, threshold=1.0)
    lesson = teach(silent, "ja", word_of(demo, "yes"))
    path = tmp_path / "taught.onnx"
    model_file.rewrite(path, silent, lesson.manifest)
    truth = json.loads((demo / "demo.json").read_text(encoding="utf-8"))
    events = list(Spotter.load(path).listen(AudioFile(demo / "demo.flac")))
    first = next(row for row in truth if row["word"] == "yes")
    assert events
    assert all(event.keyword == "ja" and not event.verified for event in events)
    assert first["end_s"] < events[0].end_s < first["end_s"] + 0.8
    deaf = Spotter.load(path, {"ja": 1.0})
    plain = Spotter.load(tmp_path / "kws.onnx")
    source = AudioFile(demo / "demo.flac")
    for ours, theirs in zip(deaf.decisions(source), plain.decisions(source), strict=True):
        assert all(np.array_equal(ours.scores[head], theirs.scores[head]) for head in ours.scores)
        assert {k: v for k, v in ours.verified.items() if k != "ja"} == theirs.verified


def test_the_file_carries_everything_and_its_hash_covers_it(file, tmp_path):
    lesson = teach(file, "rise", takes())
    path = tmp_path / "taught.onnx"
    written = model_file.rewrite(path, file, lesson.manifest)
    read = model_file.read(path)
    assert read == replace(written, path=path)
    assert read.manifest.schema == EMBEDDING_SCHEMA
    assert read.manifest.hash != file.manifest.hash
    for change in ("bank", "network"):
        other = file.embedding._replace(**{change: getattr(file.embedding, change) + b"\0"})
        content = model_file.write(tmp_path / "other.onnx", file.model, lesson.manifest, file.verifier, other)
        damaged = to_json(written.manifest).encode()
        from kws_device.model import containers

        path.write_bytes(containers.join(file.model, damaged, file.verifier, *other))
        with pytest.raises(InputError, match=r"its (embedding|bank) is not the one of its manifest"):
            model_file.read(path)
        assert content.manifest.hash != written.manifest.hash


def test_manifest_and_embedding_come_together(file, tmp_path):
    with pytest.raises(ValueError, match="the embedding must come together"):
        model_file.write(tmp_path / "a.onnx", file.model, file.manifest, file.verifier)
    with pytest.raises(ValueError, match="the embedding must come together"):
        model_file.write(
            tmp_path / "a.onnx", SHIPPED.model, SHIPPED.manifest, SHIPPED.verifier, file.embedding
        )


def word(name="rise", takes=((1,) * SIZE,), **changes):
    return TaughtWord(**{"word": name, "takes": takes, "scale": 9.0, "offset": -3.0} | changes)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([word(), word()], "there twice"),
        ([word("yes")], "also a keyword"),
        ([word(takes=((1, 2),))], "does not have 140 values"),
        ([word("a\x1b[J")], "control characters"),
        ([word(f"w{i}") for i in range(51)], "number of taught words"),
    ],
)
def test_words_that_do_not_fit_are_refused(words, told, file):
    thresholds = {**file.manifest.decoder.thresholds, **{w.word: 0.5 for w in words}}
    with pytest.raises(ValueError, match=told):
        file.manifest.with_taught(tuple(words), thresholds)


@pytest.mark.parametrize(
    "changes",
    [
        {"takes": ()},
        {"takes": ((0,) * SIZE,)},
        {"takes": ((200,) * SIZE,)},
        {"takes": ((1,) * SIZE,) * 101},
        {"scale": 0.0},
        {"offset": 1e9},
    ],
)
def test_numbers_out_of_their_range_are_refused(changes):
    with pytest.raises(ValueError, match="rise"):
        word(**changes)


def test_an_older_schema_has_neither_embedding_nor_taught_words(file):
    data = json.loads(to_json(file.manifest))
    with pytest.raises(InputError, match=f"schema {ARMING_SCHEMA} has no embedding"):
        parse(json.dumps({**data, "schema": ARMING_SCHEMA}), "here")
    old = json.loads(to_json(SHIPPED.manifest))
    assert "embedding" not in old
    assert parse(json.dumps(old), "here") == SHIPPED.manifest
    with pytest.raises(ValueError, match=f"needs schema {EMBEDDING_SCHEMA}"):
        replace(SHIPPED.manifest, embedding=config())
    with pytest.raises(ValueError, match="taught words need an embedding"):
        SHIPPED.manifest.with_taught((word(),), {**SHIPPED.manifest.decoder.thresholds, "rise": 0.5})


def ends(levels, speech=1.0, looks=2):
    """The decisions at which a word end is looked at."""
    watch = WordEnd(SHIPPED.manifest, 6.0, looks)
    head = np.zeros(len(SHIPPED.manifest.labels["keyword"]), np.float32)
    head[SHIPPED.manifest.labels["keyword"].index("_silence_")] = 1 - speech
    return [i for i, level in enumerate(levels) if watch.take(head, level)]


@pytest.mark.parametrize(
    ("levels", "at"),
    [
        ([-60] * 5 + [-20] * 5 + [-60] * 20, [11, 12]),
        ([-60] * 5 + [-20] * 5 + [-24] * 20, []),
        ([-60] * 30, []),
        ([-20] * 30, []),
        ([-60] * 5 + [-20] * 3 + [-60] + [-20] * 3 + [-60] * 10, [13, 14]),
        ([-60] * 5 + [-20] * 3 + [-60] * 4 + [-20] * 3 + [-60] * 9, [9, 10, 16, 17]),
    ],
    ids=["a word", "no pause", "silence", "sound without end", "a plosive", "two words"],
)
def test_a_word_has_ended_when_the_level_stays_low(levels, at):
    assert ends(levels) == at


def test_a_noise_that_is_no_speech_ends_no_word():
    levels = [-60] * 5 + [-20] * 5 + [-60] * 20
    assert ends(levels, speech=0.1) == []
    assert len(ends(levels, looks=4)) == 4


@pytest.fixture
def recorded(file, tmp_path):
    """A model file of one's own, and five takes as files."""
    path = tmp_path / "own.onnx"
    model_file.rewrite(path, file, file.manifest)
    names = []
    for i, sound in enumerate(takes()):
        names += ["--file", tmp_path / f"take{i}.wav"]
        soundfile.write(names[-1], sound, RATE)
    return path, names


def test_kws_teach_writes_the_word_and_forgets_it_again(recorded, command):
    path, files = recorded
    before = path.read_bytes()
    result = command("kws-teach", "rise", *files, "--model", path)
    assert "rise is taught; 5 of 5 takes are heard" in result.stderr
    info = json.loads(command("kws-listen", "--info", "--json", "--model", path).stdout)
    assert [taught["word"] for taught in info["taught"]] == ["rise"]
    assert "taught      rise (5 takes)" in command("kws-listen", "--info", "--model", path).stdout
    command("kws-teach", "--forget", "rise", "--model", path)
    assert path.read_bytes() == before


def test_kws_listen_hears_a_taught_word_and_refuses_an_embedding_that_fails_its_trial(
    talk, demo, command, tmp_path
):
    silent = with_embedding(tmp_path / "kws.onnx", talk, threshold=1.0)
    path = tmp_path / "taught.onnx"
    model_file.rewrite(path, silent, teach(silent, "ja", word_of(demo, "yes")).manifest)
    listen = ("kws-listen", "--json", "--file", demo / "demo.flac", "--model")
    lines = [json.loads(line) for line in command(*listen, path).stdout.splitlines()]
    heard = [line["keyword"] for line in lines if line["type"] == "keyword"]
    assert heard
    assert set(heard) == {"ja"}
    odd = silent.embedding._replace(network=broken(silent))
    manifest = model_file.read(path).manifest
    model_file.write(path, silent.model, manifest, silent.verifier, odd)
    one_line_refusal(command(*listen, path, check=False), path, "not finite")


def broken(file):
    """The embedding's network with biases that are not finite."""
    model = onnx.load_from_string(file.embedding.network)
    (biases,) = (tensor for tensor in model.graph.initializer if tensor.name == "biases")
    biases.CopyFrom(onnx.numpy_helper.from_array(np.full(SIZE, np.nan, np.float32), "biases"))
    return model.SerializeToString()


def test_what_is_refused_leaves_the_file_as_it_was(recorded, command, tmp_path):
    path, files = recorded
    before = path.read_bytes()
    soundfile.write(tmp_path / "quiet.wav", np.zeros(RATE), RATE)
    soundfile.write(tmp_path / "long.wav", np.zeros(40 * RATE), RATE)
    for arguments, words in (
        (["rise", *files[:4]], ["found in 2 of 2 takes"]),
        (["rise", *["--file", tmp_path / "quiet.wav"] * 5], ["found in 0 of 5 takes"]),
        (["rise", *files, "--file", tmp_path / "long.wav"], ["longer than 30 s"]),
        (["rise", *files, "--file", tmp_path / "none.wav"], ["none.wav"]),
        (["yes", *files], ["the model hears it already"]),
        (["rise", "--takes", "1"], ["--takes 1", "between 3 and 100"]),
        (["a\x1b[Jb", *files], ["control characters"]),
        (["--forget", "rise"], ["was not taught"]),
        ([], ["WORD"]),
    ):
        one_line_refusal(command("kws-teach", *arguments, "--model", path, check=False), *words)
        assert path.read_bytes() == before


def test_a_shipped_model_is_not_changed(recorded, command, tmp_path):
    _, files = recorded
    result = command("kws-teach", "rise", *files, check=False)
    one_line_refusal(result, "a shipped model stays as it is", "--out FILE")
    result = command("kws-teach", "rise", *files, "--out", tmp_path / "new.tflite", check=False)
    one_line_refusal(result, "has no embedding")
    assert not (tmp_path / "new.tflite").exists()


def test_the_command_is_installed():
    assert "--forget WORD" in run_installed("kws-teach", "--help").stdout
