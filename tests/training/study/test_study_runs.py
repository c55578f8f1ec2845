"""A row of the study interrupted, resumed, started from another, and trained with another backend."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import synthetic_datasets
from helpers import one_line_refusal


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folders")
    speech, scenes = (
        synthetic_datasets.speech_commands(folder / "speech"),
        synthetic_datasets.urbansound8k(folder / "scenes"),
    )
    return ("--speech", speech, "--scenes", scenes, "--cache", folder / "cache")


def history(run):
    with (run / "history.csv").open() as file:
        return list(csv.DictReader(file))


def weights(run):
    import keras

    return keras.models.load_model(run / "model.keras", compile=False).get_weights()


@pytest.fixture(scope="module")
def tuned(command, folders, tmp_path_factory):
    """Run 9, two epochs for each of its three stages."""
    run = tmp_path_factory.mktemp("tuned") / "run"
    result = command("kws-train", "run9", *folders, "--epochs", 2, "--out", run)
    assert result.returncode == 0, result.stderr
    return run


@pytest.mark.parametrize("killed_in", ["base", "."])
def test_a_row_interrupted_in_any_stage_and_resumed_equals_an_uninterrupted_one(
    killed_in, tuned, command, folders, tmp_path
):
    run = tmp_path / "run"
    arguments = ("run9", *map(str, folders), "--epochs", "2", "--out", str(run))
    environment = {**os.environ, "TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        [Path(sys.executable).with_name("kws-train"), *arguments], env=environment, stderr=subprocess.DEVNULL
    ) as process:
        while not (run / killed_in / "checkpoint.keras").exists():
            assert process.poll() is None
            time.sleep(0.02)  # not beside it on the same core
        process.send_signal(signal.SIGKILL)
    resumed = command("kws-train", *arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    for folder in ("base", "keyword-head", "."):
        assert history(run / folder) == history(tuned / folder)
        for ours, theirs in zip(weights(run / folder), weights(tuned / folder), strict=True):
            assert np.array_equal(ours, theirs)


def test_a_row_can_start_from_a_base_that_is_there(tuned, command, folders, tmp_path):
    run = tmp_path / "run"
    result = command("kws-train", "run9", *folders, "--epochs", 2, "--out", run, "--from", tuned / "base")
    assert result.returncode == 0, result.stderr
    assert not (run / "base").exists()
    assert history(run) == history(tuned)


def test_a_base_that_does_not_fit_is_refused(tuned, command, folders, tmp_path):
    start = (
        "kws-train",
        "run9",
        *folders,
        "--epochs",
        1,
        "--out",
        tmp_path / "run",
        "--from",
        tuned / "base",
    )
    turned = command(*start, "--set", 'keywords=["yes", "no", "bed"]')
    one_line_refusal(turned, "keyword labels", "in another order")
    fewer = command(*start, "--set", 'keywords=["yes", "no"]')
    one_line_refusal(fewer, "keyword labels", "not these")
    other = command(*start, "--set", "model.dense=64")
    assert other.returncode == 2
    assert "another recipe, its layer keyword_dense1" in other.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_recipe_is_not_resumed(tuned, command, folders):
    again = ("kws-train", "run9", *folders, "--out", tuned, "--resume")
    one_line_refusal(command(*again, "--epochs", 3), "another recipe")


def trained_with_jax(command, folders, run, devices):
    flags = f"--xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": flags}
    return command("kws-train", "run6", *folders, "--epochs", 2, "--out", run, env=environment)


def test_jax_trains_the_same_recipe_on_one_device_and_on_four(command, folders, tmp_path):
    for devices in (1, 4):
        result = trained_with_jax(command, folders, tmp_path / str(devices), devices)
        assert result.returncode == 0, result.stderr
    one, four = history(tmp_path / "1"), history(tmp_path / "4")
    for key in ("loss", "keyword_accuracy", "val_keyword_accuracy", "val_scene_accuracy"):
        assert [float(row[key]) for row in one] == pytest.approx([float(row[key]) for row in four], rel=1e-3)
    # The sums were taken in another order: proof that the work was divided.
    assert [row["loss"] for row in one] != [row["loss"] for row in four]
    assert "keras backend: jax" in (tmp_path / "4" / "environment.txt").read_text()
    three = trained_with_jax(command, folders, tmp_path / "3", 3)
    assert three.returncode == 2
    assert "batch_size 32: cannot be divided among 3 devices" in three.stderr.splitlines()[-1]
    assert not (tmp_path / "3").exists()


def test_training_tells_whether_it_waits_for_its_data(command):
    import json

    result = command("kws-train", "speed", "run5", "--seconds", "0.1", "--json")
    assert result.returncode == 0, result.stderr
    rates = json.loads(result.stdout)
    assert set(rates) == {f"{what}_examples_per_s" for what in ("pipeline", "step", "together")}
    assert all(rate > 0 for rate in rates.values())
