"""kws-data check: what it counts and what it complains about."""

from __future__ import annotations

import json
import shutil

import numpy as np
import soundfile
import synthetic_datasets
from helpers import one_line_refusal


def report(command, folder, *options):
    result = command("kws-data", "check", folder, "--json", *options)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_sound_dataset_has_counts_and_no_leaks(command, tmp_path):
    found = report(
        command, synthetic_datasets.speech_commands(tmp_path / "speech"), "--plots", tmp_path / "plots"
    )
    assert found["layout"] == "speech-commands"
    assert found["splits"]["train"] == {"bed": 18, "no": 18, "yes": 18}
    assert found["splits"]["test"] == {"bed": 6, "no": 6, "yes": 6}
    assert found["leaks"] == []
    assert {problem["kind"] for problem in found["problems"]} == {"short"}
    assert len(found["problems"]) == 15
    for name in ("class_counts", "shared_sources"):
        assert (tmp_path / "plots" / f"{name}.png").stat().st_size > 5000


def test_every_layout_is_recognised(command, tmp_path):
    for make in (synthetic_datasets.esc50, synthetic_datasets.urbansound8k, synthetic_datasets.own_words):
        folder = make(tmp_path / make.__name__)
        layout = {"own_words": "folders"}.get(make.__name__, make.__name__)
        assert report(command, folder)["layout"] == layout


def test_each_kind_of_bad_clip_is_found(command, tmp_path):
    folder = synthetic_datasets.own_words(tmp_path / "own")
    soundfile.write(folder / "yes" / "silent.wav", np.zeros(20000), 16000)
    (folder / "yes" / "broken.wav").write_bytes(b"no sound")
    (folder / "yes" / "empty.wav").write_bytes(b"")
    soundfile.write(folder / "yes" / "brief.wav", 0.1 * np.ones(4000), 16000)
    shutil.copy(folder / "yes" / "take3.flac", folder / "no" / "copy.flac")
    problems = {(p["kind"], p["file"]) for p in report(command, folder)["problems"]}
    assert problems == {
        ("silent", "yes/silent.wav"),
        ("unreadable", "yes/broken.wav"),
        ("unreadable", "yes/empty.wav"),
        ("short", "yes/brief.wav"),
        ("duplicate", "yes/take3.flac"),
    }


def test_a_speaker_in_two_splits_is_a_leak(command, tmp_path):
    folder = synthetic_datasets.speech_commands(tmp_path)
    with (folder / "testing_list.txt").open("a") as file:
        file.write("yes/00000005_nohash_0.wav\n")
    assert report(command, folder)["leaks"] == [{"source": "00000005", "splits": ["train", "test"]}]


def test_people_read_a_table(command, tmp_path):
    result = command("kws-data", "check", synthetic_datasets.esc50(tmp_path))
    assert "layout: esc50" in result.stderr
    assert "sources in two splits: 0" in result.stderr
    assert result.stdout == ""


def test_what_is_not_recognised_is_refused(command, tmp_path):
    one_line_refusal(command("kws-data", "check", tmp_path / "nowhere"), "nowhere")
    one_line_refusal(command("kws-data", "check", tmp_path), "no audio found")
    one_line_refusal(command("kws-data", "look", tmp_path), "look")
