"""Datasets, recipes, runs and reports from strangers: they are read, or refused in one line."""

from __future__ import annotations

import json

import pytest
import synthetic_datasets
from fuzz.datasets import FolderMutants

from kws_device._support.schema import plain
from kws_device.model import model_file
from kws_training.cli import schemes
from kws_training.recipes.format import to_toml

MODEL = {"model": "a", "hash": "0" * 64, "split": "test", "limit": None, "sets": []}


@pytest.fixture(scope="module", params=["speech-commands", "esc50", "urbansound8k"])
def dataset(request, tmp_path_factory):
    """The smallest of each layout."""
    folder = tmp_path_factory.mktemp("dataset") / request.param
    if request.param == "speech-commands":
        return synthetic_datasets.speech_commands(folder, speakers=5)
    return (
        synthetic_datasets.esc50(folder, folds=2, sources=1)
        if request.param == "esc50"
        else synthetic_datasets.urbansound8k(folder)
    )


def test_mutants_of_lists_and_tables_are_counted_or_refused(dataset, campaign):
    campaign(dataset.name, FolderMutants(dataset, ("kws-data", "check", "DIR", "--json")), mutants=50)


@pytest.mark.parametrize("name", ["default", "run5"])
def test_mutants_of_a_recipe_are_taken_or_refused(name, tmp_path_factory, campaign):
    """The recipe is checked before the data, which is not there."""
    template = tmp_path_factory.mktemp("recipe")
    (template / "recipe.toml").write_text(to_toml(schemes.load(name)))
    command = (
        "kws-train",
        "DIR/recipe.toml",
        "--speech",
        "DIR/none",
        "--scenes",
        "DIR/none",
        "--out",
        "DIR/run",
    )
    campaign(f"recipe-{name}", FolderMutants(template, command), mutants=50)


def test_mutants_of_a_run_are_refused(tmp_path_factory, shipped, campaign):
    """What a run tells of itself is checked before its network, which is not there."""
    template = tmp_path_factory.mktemp("run")
    manifest = model_file.read(shipped).manifest
    (template / "recipe.toml").write_text(to_toml(schemes.load("default")))
    (template / "manifest.json").write_text(json.dumps(plain(manifest)))
    (template / "folders.json").write_text(json.dumps({"speech": "none", "scenes": "none"}))
    campaign("run", FolderMutants(template, ("kws-export", "DIR", "--out", "DIR/out")), mutants=50)


def test_mutants_of_reports_are_compared_or_refused(tmp_path_factory, campaign):
    template = tmp_path_factory.mktemp("reports")
    for side, right in (("a", 3), ("b", 5)):
        folder = template / side
        folder.mkdir()
        (folder / "robustness.json").write_text(json.dumps(MODEL))
        rows = [f"clean,{n}.wav,{n % 4},keyword,yes,{'yes' if n < right else 'no'},0.9" for n in range(8)]
        header = "set,clip,speaker,head,label,predicted,score"
        (folder / "predictions.csv").write_text("\n".join([header, *rows]) + "\n")
    command = ("kws-bench", "compare", "DIR/a", "DIR/b", "--json")
    campaign("reports", FolderMutants(template, command), mutants=50)
