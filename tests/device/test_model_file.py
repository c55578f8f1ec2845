"""The model file as the contract: complete, sealed, refused where it does not hold together."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import first_network, one_line_refusal

from kws_device import InputError
from kws_device.model import model_file
from kws_device.model.engine import load_engine
from kws_device.model.manifest_json import content_hash, parse, to_json
from kws_device.spotter import Spotter

ODD_DECODER = {
    "decision_ms": 105.0,
    "refractory_s": 1.0,
    "scene_thresholds": {},
    "smoothing_s": {},
    "thresholds": {},
    "false_accepts_per_hour": None,
}


@pytest.fixture
def file(shipped):
    return model_file.read(shipped)


def changed(manifest, **values):
    data = json.loads(to_json(manifest))
    data.update(values)
    return data


def test_writing_and_reading_gives_the_same_model_and_manifest(file, tmp_path):
    written = model_file.write(tmp_path / "copy.tflite", file.model, file.manifest, file.verifier)
    again = model_file.read(tmp_path / "copy.tflite")
    assert (again.model, again.manifest) == (file.model, file.manifest) == (written.model, written.manifest)


def test_the_same_content_gives_the_same_bytes(file, tmp_path):
    model_file.write(tmp_path / "a.tflite", file.model, file.manifest, file.verifier)
    model_file.write(tmp_path / "b.tflite", file.model, file.manifest, file.verifier)
    assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()


def test_a_file_larger_than_any_keyword_model_is_refused(shipped, tmp_path, command):
    path = tmp_path / "large.tflite"
    content = shipped.read_bytes()
    path.write_bytes(content[:1000] + bytes(33 << 20) + content[1000:])
    for show in (("kws-listen", "--info", "--model"), ("kws-export", "show")):
        one_line_refusal(command(*show, path), path, "larger than any keyword model (32 MB)")


def test_a_name_too_long_for_a_file_is_refused(command):
    one_line_refusal(command("kws-listen", "--info", "--model", "x" * 5000), "no such model file")


def test_what_is_no_regular_file_is_not_read():
    with pytest.raises(InputError, match=r"/dev/zero: cannot be read \(no regular file\)"):
        model_file.read(Path("/dev/zero"))


def test_zip_tools_can_read_the_manifest(shipped, file):
    with zipfile.ZipFile(shipped) as archive:
        assert parse(archive.read("kws-manifest.json"), "zip") == file.manifest


def test_the_hash_covers_model_and_manifest(file):
    tuned = replace(file.manifest, name="other")
    assert content_hash(file.model, tuned) != content_hash(file.model, file.manifest)
    assert content_hash(file.model + b"x", file.manifest) != content_hash(file.model, file.manifest)
    assert content_hash(file.model, replace(file.manifest, hash="x")) == file.manifest.hash


def test_an_existing_file_wins_over_a_shipped_name(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert model_file.find("kws") == shipped
    (tmp_path / "kws").write_bytes(b"")
    assert model_file.find("kws").resolve() == tmp_path / "kws"


def test_a_folder_does_not_hide_a_shipped_model_of_its_name(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kws").mkdir()
    assert model_file.find("kws") == shipped


@pytest.mark.parametrize("name", ["../kws", "..", "nothing", "models/kws.tflite"])
def test_a_name_that_is_no_shipped_model_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "..") if name == ".." else monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no such model file|cannot be read"):
        model_file.read(model_file.find(name))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: b"", "empty"),
        (lambda c: b"RIFF" + c[4:], None),
        (lambda c: b"hello, this is no model", "neither a TFLite nor an ONNX model"),
        (lambda c: c[:1000], "cut short"),
        (lambda c: c[: len(c) // 2], "cut short"),
        (lambda c: c[:-1], "cut short"),
        (lambda c: c[:100_000] + bytes([c[100_000] ^ 1]) + c[100_001:], "hash"),
        (lambda c: c[: c.rfind(b"PK\x03\x04")], "without a manifest"),
        (lambda c: c.replace(b'"name":"default"', b'"name":"defaulT"'), None),
    ],
    ids=["empty", "patched", "text", "head", "half", "one byte short", "one bit", "no manifest", "renamed"],
)
def test_a_damaged_model_is_refused_by_name(change, words, shipped, tmp_path, command, demo):
    path = tmp_path / "damaged.tflite"
    path.write_bytes(change(shipped.read_bytes()))
    result = command("kws-listen", "--model", path, "--file", demo / "demo.flac")
    one_line_refusal(result, path, *([words] if words else []))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 1}, "schema 1 is none of those known here, 3, 4"),
        ({"schema": None}, "schema None"),
        ({"surprise": 1}, "unknown surprise"),
        ({"name": 7}, "name: must be str"),
        ({"heads": []}, "heads must be"),
        ({"decoder": {}}, "decision_ms, false_accepts_per_hour, refractory_s, scene_thresholds, smoothing_s"),
        ({"decoder": ODD_DECODER}, "whole number of hops"),
        ({"normalisation": {"mean_db": [1.0], "std_db": [1.0]}}, "not for 40 mel bands"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused(change, words, file):
    with pytest.raises(InputError, match=words) as refusal:
        parse(json.dumps(changed(file.manifest, **change)), "some.tflite")
    assert "some.tflite" in str(refusal.value)


def test_a_missing_field_is_named(file):
    data = changed(file.manifest)
    del data["front_end"]["hop_ms"]
    with pytest.raises(InputError, match="hop_ms missing"):
        parse(json.dumps(data), "some.tflite")


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", "[" * 100_000, '{"schema": 3}'])
def test_a_manifest_that_is_none_is_refused(text):
    with pytest.raises(InputError, match=r"some\.tflite"):
        parse(text, "some.tflite")


def test_a_manifest_that_does_not_fit_the_tensors_is_refused(tmp_path):
    file = first_network()
    keyword, scene = file.manifest.heads
    shorter = replace(scene, labels=scene.labels[:-1])
    path = tmp_path / "unfit.tflite"
    model_file.write(path, file.model, replace(file.manifest, heads=(keyword, shorter)))
    with pytest.raises(InputError, match="does not fit the model"):
        load_engine(model_file.read(path))
    narrow = replace(file.manifest.front_end, clip_ms=500.0)
    model_file.write(path, file.model, replace(file.manifest, front_end=narrow))
    with pytest.raises(InputError, match="does not fit the model"):
        Spotter.load(path)


def test_a_model_behind_a_valid_seal_that_is_no_model_is_refused(file, tmp_path):
    path = tmp_path / "hollow.tflite"
    model_file.write(path, file.model[:8] + bytes(2000), file.manifest, file.verifier)
    with pytest.raises(InputError, match=r"hollow\.tflite"):
        Spotter.load(path)


def test_heads_are_found_by_name_whatever_their_order(file, tmp_path):
    path = tmp_path / "swapped.tflite"
    swapped = replace(file.manifest, heads=tuple(reversed(file.manifest.heads)))
    model_file.write(path, file.model, swapped, file.verifier)
    windows = file.manifest.normalisation.apply(-40 * np.ones((98, 40), dtype=np.float32))
    one, other = load_engine(file).scores(windows), load_engine(model_file.read(path)).scores(windows)
    assert all((one[head] == other[head]).all() for head in ("keyword", "scene"))


def test_what_the_file_says_can_be_read(command, shipped):
    text = command("kws-listen", "--info", "--model", shipped).stdout
    assert "yes, no, up, down, left, right, stop, go" in text
    assert "CC BY 4.0" in text
    data = json.loads(command("kws-listen", "--info", "--json").stdout)
    assert data["schema"] == 4
    assert data["decoder"]["false_accepts_per_hour"] == 1
