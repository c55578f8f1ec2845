"""Folders of recordings: recognised, split as published, refused where they do not hold together."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import synthetic_datasets

from kws_device import InputError
from kws_training.data.check import check, leaks
from kws_training.data.corpus import (
    Folders,
    background_paths,
    check_keywords,
    load_corpus,
    read_word,
    split_rules,
)
from kws_training.data.layouts import read_dataset
from kws_training.data.splits import SPLITS
from kws_training.evaluation.eval_sets import material


def counts(dataset):
    return {
        split: sum(clip.split == split for clip in dataset.clips) for split in ("train", "validation", "test")
    }


def test_speech_commands_is_split_by_its_lists(tmp_path):
    dataset = read_dataset(synthetic_datasets.speech_commands(tmp_path))
    assert dataset.layout == "speech-commands"
    assert counts(dataset) == {"train": 54, "validation": 18, "test": 18}
    assert dataset.labels == ["bed", "no", "yes"]
    assert len(dataset.background) == 2
    assert {clip.source for clip in dataset.clips} == {f"{i:08x}" for i in range(30)}


def test_speech_commands_without_lists_has_no_splits(tmp_path):
    folder = synthetic_datasets.speech_commands(tmp_path)
    (folder / "validation_list.txt").unlink()
    (folder / "testing_list.txt").unlink()
    dataset = read_dataset(folder)
    assert dataset.layout == "speech-commands"
    assert len(dataset.split("all")) == 90
    with pytest.raises(InputError, match="only --split all works"):
        dataset.split("test")


def test_speech_commands_lists_that_name_a_missing_clip_are_refused(tmp_path):
    folder = synthetic_datasets.speech_commands(tmp_path)
    with (folder / "testing_list.txt").open("a") as file:
        file.write("yes/gone_nohash_0.wav\n")
    with pytest.raises(InputError, match=r"yes/gone_nohash_0\.wav"):
        read_dataset(folder)


def test_each_part_of_a_background_recording_belongs_to_one_split(tmp_path):
    speech, scenes = (
        synthetic_datasets.speech_commands(tmp_path / "s"),
        synthetic_datasets.esc50(tmp_path / "e"),
    )
    whole, _ = soundfile.read(speech / "_background_noise_" / "noise0.wav", dtype="float32")
    parts = [
        load_corpus(Folders(speech, scenes), ["yes"], 16000, s).noise[0]
        for s in ("train", "validation", "test")
    ]
    assert [len(part) for part in parts] == [256000, 32000, 32000]
    assert (whole[:256000] == parts[0]).all()
    assert (whole[-32000:] == parts[2]).all()


def test_esc50_tests_on_fold_four_where_there_is_no_fold_five(tmp_path):
    dataset = read_dataset(synthetic_datasets.esc50(tmp_path))
    assert dataset.layout == "esc50"
    assert {clip.path.name[0] for clip in dataset.split("test")} == {"4"}
    assert {clip.path.name[0] for clip in dataset.split("train")} <= {"1", "2", "3"}
    assert counts(dataset) == {"train": 19, "validation": 5, "test": 8}


def test_esc50_tests_on_fold_five_where_there_is_one(tmp_path):
    assert {
        c.path.name[0] for c in read_dataset(synthetic_datasets.esc50(tmp_path, folds=5)).split("test")
    } == {"5"}


def test_no_source_recording_of_esc50_is_in_two_splits(data):
    dataset = read_dataset(data / "esc10")
    assert counts(dataset)["test"] == 80
    splits = {}
    for clip in dataset.clips:
        splits.setdefault(clip.source, set()).add(clip.split)
    assert all(len(found) == 1 for found in splits.values())
    sources = {split: {c.source for c in dataset.split(split)} for split in ("train", "validation")}
    assert len(sources["validation"]) == pytest.approx(len(sources["train"]) / 4, abs=1)
    assert len({clip.label for clip in dataset.split("validation")}) == 10


def test_urbansound8k_is_split_by_the_documented_folds(tmp_path):
    dataset = read_dataset(synthetic_datasets.urbansound8k(tmp_path))
    assert dataset.layout == "urbansound8k"
    assert counts(dataset) == {"train": 16, "validation": 2, "test": 2}
    assert {clip.path.parent.name for clip in dataset.split("test")} == {"fold6"}


def folds_by_split(dataset):
    return {
        split: sorted({int(clip.path.parent.name.removeprefix("fold")) for clip in dataset.split(split)})
        for split in ("train", "validation", "test")
    }


def test_urbansound8ks_folds_as_documented_and_as_the_studys_code_took_them(tmp_path):
    folder = synthetic_datasets.urbansound8k(tmp_path)
    documented, as_run = (read_dataset(folder, folds) for folds in ("documented", "as-run"))
    assert documented == read_dataset(folder)
    assert folds_by_split(documented) == {"train": [1, 2, 3, 4, 7, 8, 9, 10], "validation": [5], "test": [6]}
    assert folds_by_split(as_run) == {"train": [1, 2, 3, 6, 7, 8, 9], "validation": [4], "test": [5]}
    assert not any(clip.path.parent.name == "fold10" for clip in as_run.split("all"))


def test_a_row_of_urbansound8k_whose_clip_is_missing_is_named(tmp_path):
    folder = synthetic_datasets.urbansound8k(tmp_path)
    gone = folder / "audio" / "fold7" / "7003-3-0-0.wav"
    gone.unlink()
    for folds in ("documented", "as-run"):
        with pytest.raises(InputError, match=r"fold7/7003-3-0-0\.wav: listed in .*UrbanSound8K\.csv but"):
            read_dataset(folder, folds)


def own_recordings(folder, names, words=("lamp",)):
    for word in words:
        for name in names:
            path = folder / word / name
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, [0.1] * 16000, 16000)
    return read_dataset(folder)


def splits_of_sources(dataset):
    splits = {}
    for clip in dataset.clips:
        splits.setdefault(clip.source, set()).add(clip.split)
    return splits


def test_own_words_are_split_by_the_name_up_to_the_first_underscore(tmp_path):
    names = [f"speaker{speaker}_take{take}.wav" for speaker in range(60) for take in range(3)]
    dataset = own_recordings(tmp_path, names)
    assert (dataset.layout, dataset.split_by) == ("folders", "rank")
    splits = splits_of_sources(dataset)
    assert set(splits) == {f"speaker{speaker}" for speaker in range(60)}
    assert all(len(found) == 1 for found in splits.values())
    assert counts(dataset) == {"train": 48 * 3, "validation": 6 * 3, "test": 6 * 3}


@pytest.mark.parametrize("speakers", ["abc", "xyz", ("anna", "ben", "cleo"), ("1", "2", "3", "4")])
def test_three_speakers_fill_every_split(tmp_path, speakers):
    names = [f"{speaker}_{take}.wav" for speaker in speakers for take in range(2)]
    dataset = own_recordings(tmp_path, names, words=("lamp", "door"))
    assert set.union(*splits_of_sources(dataset).values()) == {"train", "validation", "test"}
    assert all({clip.label for clip in dataset.split(split)} == {"lamp", "door"} for split in SPLITS)


def test_a_folder_below_the_word_is_the_speaker(tmp_path):
    speakers = ("anna", "ben", "cleo")
    names = [f"{speaker}/take{take}.wav" for speaker in speakers for take in range(5)]
    dataset = own_recordings(tmp_path, [*names, "anna_6.wav"], words=("lamp", "door"))
    splits = splits_of_sources(dataset)
    assert set(splits) == set(speakers)
    assert sorted(splits.values(), key=str) == [{"test"}, {"train"}, {"validation"}]
    assert leaks(dataset) == []
    assert len({clip.name for clip in dataset.clips}) == len(dataset.clips) == 32
    words = material(load_corpus(Folders(tmp_path), ["lamp"], 16000, "train"), 16000).words
    assert "lamp/" + names[0] in {c.name for c in dataset.clips}
    assert {word.name for word in words} == {clip.name for clip in dataset.split("train")}


def test_real_speech_commands_is_split_as_published(data):
    assert counts(read_dataset(data / "speech_commands_mini")) == {
        "train": 14826,
        "validation": 2259,
        "test": 1776,
    }


def test_a_missing_a_silent_and_a_file_instead_of_a_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no audio found"):
        read_dataset(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"notes\.txt: no such folder"):
        read_dataset(tmp_path / "notes.txt")


def test_a_table_that_names_a_missing_clip_or_lacks_a_column_is_refused(tmp_path):
    folder = synthetic_datasets.esc50(tmp_path)
    gone = next((folder / "audio").iterdir())
    gone.unlink()
    with pytest.raises(InputError, match=gone.name):
        read_dataset(folder)
    (folder / "meta" / "esc50.csv").write_text("filename,fold\n")
    with pytest.raises(InputError, match="column category, src_file missing"):
        read_dataset(folder)


def test_a_keyword_that_nobody_says_is_refused(tmp_path):
    speech, scenes = (
        synthetic_datasets.speech_commands(tmp_path / "s"),
        synthetic_datasets.esc50(tmp_path / "e"),
    )
    with pytest.raises(InputError, match="no recordings of lamp to train on; there are bed, no, yes"):
        check_keywords(speech, ["yes", "lamp"])
    assert len(load_corpus(Folders(speech, scenes), ["yes", "lamp"], 16000, "test").speech) == 18


@pytest.fixture
def talk(tmp_path):
    """Ten speakers of two recordings each, as LibriSpeech names them, without folders that say more."""
    folder = tmp_path / "talk"
    folder.mkdir()
    for speaker in range(10):
        for take in range(2):
            soundfile.write(folder / f"{speaker}-1-000{take}.wav", [0.1] * 1600, 16000)
    return folder


def test_background_that_tests_or_validates_trains_nothing(talk, tmp_path):
    parts = {split: background_paths(talk, split) for split in SPLITS}
    assert {split: len(paths) for split, paths in parts.items()} == {"train": 10, "validation": 4, "test": 6}
    assert sorted(path for paths in parts.values() for path in paths) == background_paths(talk, "all")
    for split in ("train", "test"):
        soundfile.write((tmp_path / split).with_suffix(".wav"), [0.1] * 1600, 16000)
        (tmp_path / "noise" / split).mkdir(parents=True)
        (tmp_path / f"{split}.wav").rename(tmp_path / "noise" / split / f"{split}.wav")
    speech, scenes = (
        synthetic_datasets.speech_commands(tmp_path / "s"),
        synthetic_datasets.esc50(tmp_path / "e"),
    )
    corpus = load_corpus(Folders(speech, scenes, talk, tmp_path / "noise"), ["yes"], 16000, "train")
    assert (len(corpus.negatives), len(corpus.noise)) == (10, 2 + 1)


def test_a_folder_with_nothing_for_a_split_is_refused_by_name(talk, tmp_path):
    talk.rename(tmp_path / "test")
    with pytest.raises(InputError, match=r"none of its 20 recordings is in the train split .*name of f"):
        background_paths(tmp_path / "test", "train")
    assert len(background_paths(tmp_path / "test", "test")) == 20


def test_reports_can_say_which_rule_splits_what(talk, tmp_path):
    speech, scenes = (
        synthetic_datasets.speech_commands(tmp_path / "s"),
        synthetic_datasets.esc50(tmp_path / "e"),
    )
    (tmp_path / "noise" / "eval").mkdir(parents=True)
    soundfile.write(tmp_path / "noise" / "eval" / "rain.wav", [0.1] * 1600, 16000)
    rules = split_rules(Folders(speech, scenes, talk, tmp_path / "noise"))
    assert rules == {"speech": "lists", "scenes": "folds", "negatives": "rank", "noise": "name of folder"}
    soundfile.write(tmp_path / "noise" / "rain.wav", [0.1] * 1600, 16000)
    assert split_rules(Folders(noise=tmp_path / "noise")) == {"noise": "name of folder, else rank"}
    own = synthetic_datasets.own_words(tmp_path / "own")
    assert split_rules(Folders(speech=own)) == {"speech": "rank"}


def rewritten(table, change):
    """A table whose text is changed; returns its dataset's folder."""
    table.write_bytes(change(table.read_bytes()))
    return table.parent.parent


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace(b",1000,", b",one,", 1), "src_file 'one' is no number"),
        (lambda text: text.replace(b",1000,", b",,", 1), "src_file '' is no number"),
        (lambda text: text + b"1-1-A-0.wav,1\r\n", "row 33 lacks cells"),
        (lambda text: text + b"\xff", "not UTF-8"),
        (lambda text: text + b"x" * 200_000, "not a table"),
        (lambda text: text.replace(b"1-1000-A-0.wav", b"../../short.wav"), "'../../short.wav' is no name"),
        (lambda text: text.replace(b"1-1000-A-0.wav", b"/etc/hostname"), "'/etc/hostname' is no name"),
        (lambda text: text.replace(b"1-1000-A-0.wav", b"..\\short.wav"), "is no name of a file"),
        (lambda text: text.replace(b"1-1000-A-0.wav", b".."), "is no name of a file"),
    ],
)
def test_a_damaged_or_hostile_table_of_esc50_is_refused(tmp_path, change, words):
    soundfile.write(tmp_path / "short.wav", [0.1] * 1600, 16000)
    folder = rewritten(synthetic_datasets.esc50(tmp_path / "e") / "meta" / "esc50.csv", change)
    with pytest.raises(InputError, match=r"esc50\.csv: .*" + re.escape(words)):
        read_dataset(folder)


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"1003-3-0-0.wav", b"../../../short.wav"), (b"1,1,3,dog_bark", b"1,1/../../..,3,dog_bark")],
)
def test_a_table_of_urbansound8k_names_no_file_elsewhere(tmp_path, before, after):
    folder = rewritten(
        synthetic_datasets.urbansound8k(tmp_path) / "metadata" / "UrbanSound8K.csv",
        lambda text: text.replace(before, after),
    )
    with pytest.raises(InputError, match=r"UrbanSound8K\.csv: .* is no name of a file"):
        read_dataset(folder)


def test_a_list_that_is_not_utf8_is_refused(tmp_path):
    folder = synthetic_datasets.speech_commands(tmp_path)
    with (folder / "testing_list.txt").open("ab") as file:
        file.write(b"\xff\xfe")
    with pytest.raises(InputError, match=r"testing_list\.txt: not UTF-8"):
        read_dataset(folder)


def test_names_that_are_not_utf8_are_read_and_told_with_escapes(tmp_path):
    for folder in (b"lamp", b"d\xffor"):
        word = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + folder))
        word.mkdir()
        for speaker in (b"a", b"b", b"\xe4"):
            soundfile.write(tmp_path / "new.wav", [0.1] * 1600, 16000)
            (tmp_path / "new.wav").rename(word / os.fsdecode(speaker + b"_1.wav"))
    dataset = read_dataset(tmp_path)
    told = json.dumps([[clip.name, clip.label, clip.source] for clip in dataset.clips], ensure_ascii=False)
    told.encode("utf-8")
    assert {clip.label for clip in dataset.clips} == {"lamp", "d\\udcffor"}
    assert "lamp/\\udce4_1.wav" in {clip.name for clip in dataset.clips}
    assert len(load_corpus(Folders(tmp_path), ["lamp"], 16000, "train").speech) == 2
    assert check(dataset)["problems"][0]["kind"] == "short"


def test_a_take_of_several_seconds_is_cut_to_its_word_for_training_and_for_tests(tmp_path):
    rng = np.random.default_rng(0)
    hz = np.linspace(400, 1600, 8000)
    said = (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / 16000) * np.hanning(8000)).astype(np.float32)
    for speaker in "abc":
        for word, at_s in (("yes", 0.3), ("no", 2.2)):
            sound = (1e-3 * rng.standard_normal(48000)).astype(np.float32)
            sound[round(at_s * 16000) :][:8000] += said
            path = tmp_path / word / f"{speaker}_1.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, sound, 16000)
    for split in ("train", "validation", "test"):
        speech = load_corpus(Folders(speech=tmp_path), ("yes", "no"), 16000, split).speech
        assert {recording.label for recording in speech} == {"yes", "no"}
        for recording in speech:
            assert 0.5 < len(recording.samples) / 16000 < 1.0
            power = np.convolve(np.square(recording.samples), np.ones(800), "same")
            assert abs(power.argmax() / len(power) - 0.5) < 0.15


def test_a_long_recording_in_which_nothing_stands_out_and_a_short_one_stay_whole(tmp_path):
    for name, seconds in (("short", 1.2), ("hum", 4.0)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(round(seconds * 16000), 0.01), 16000)
        assert len(read_word(tmp_path / f"{name}.wav", 16000)) == round(seconds * 16000)
