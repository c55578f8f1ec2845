"""The models that ship: found by name, as small as promised, and what their cards say."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from kws_device import AudioFile, Spotter
from kws_device.model import model_file
from kws_device.model.manifest import SCENE_HEAD

LARGEST_BYTES = {"kws": 240_000, "accurate": 1_000_000, "tiny": 90_000}


@pytest.fixture(params=LARGEST_BYTES)
def path(request):
    path = model_file.find(request.param)
    assert path.name == f"{request.param}.tflite"
    return path


@pytest.fixture
def card(path):
    return " ".join(path.with_suffix(".md").read_text(encoding="utf-8").split())


def test_a_file_is_no_larger_than_promised(path):
    assert path.stat().st_size <= LARGEST_BYTES[path.stem]


def test_one_file_has_the_card_that_names_it(path, card):
    manifest = model_file.read(path).manifest
    assert card.startswith(f"# Model card: {path.stem}")
    assert f"`{manifest.hash}`" in card
    assert f"{path.stat().st_size / 1000:.0f} kB" in card
    assert f"*{', '.join(manifest.keywords)}*" in card
    assert ", ".join(manifest.labels[SCENE_HEAD]).replace("_", " ") in card
    thresholds = manifest.decoder.thresholds.values()
    assert f"({min(thresholds):.2g} to {max(thresholds):.2g})" in card
    assert re.search(f"tuned to {manifest.decoder.false_accepts_per_hour:g} false accepts? per hour", card)


def test_a_card_has_the_accuracies_that_the_file_has(path, card):
    measured = model_file.read(path).manifest.metrics["test"]["int8"]["all"]
    for head in measured.values():
        assert f"{100 * head['accuracy']:.2f} %" in card


def test_a_card_names_every_source_and_its_licence(path, card):
    for source in model_file.read(path).manifest.sources:
        assert source.licence.replace(" and ", ", ") in card, source


def test_the_demo_is_heard_by_name(path, command, demo):
    said = json.loads((demo / "demo.json").read_text())
    result = command("kws-listen", "--model", path.stem, "--file", demo / "demo.flac", "--json")
    heard = [json.loads(line) for line in result.stdout.splitlines()][:-1]
    keywords = [word["word"] for word in said if word["word"] in Spotter.load(path).manifest.keywords]
    assert [event["keyword"] for event in heard] == keywords
    assert all(event["verified"] for event in heard)


def test_a_float_file_has_the_verifier_of_the_int8_file():
    """Own words start from its weights."""
    whole, small = (model_file.read(model_file.find(name)).manifest.verifier for name in ("kws-float", "kws"))
    assert replace(whole, sha256="", softmax=False) == replace(small, sha256="", softmax=False)


def test_both_int8_files_hear_the_same(path, demo):
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

    def events(file):
        return [
            (event.keyword, event.end_s) for event in Spotter.load(file).listen(AudioFile(demo / "demo.flac"))
        ]

    assert events(path) == events(path.with_suffix(".onnx"))
