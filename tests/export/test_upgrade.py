"""Model files of earlier schemas: real ones are upgraded to what devices read today, damaged ones refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import ROOT, one_line_refusal

from kws_device import AudioFile, InputError, Spotter
from kws_device.model import containers, model_file
from kws_device.model.engine import load_engine
from kws_export.upgrade import upgrade

DATA = ROOT / "tests" / "data"
OLDEST = (DATA / "schema1.tflite").read_bytes()


@pytest.fixture(params=["schema1", "schema2", "schema3"])
def old(request, tmp_path):
    """A file as it was shipped."""
    path = tmp_path / f"{request.param}.tflite"
    if request.param == "schema1":
        path.write_bytes(OLDEST)
    else:
        manifest = (DATA / f"{request.param}.json").read_bytes()
        path.write_bytes(containers.join(containers.split(OLDEST).model, manifest))
    return path


def test_a_file_that_was_shipped_is_refused_by_devices_and_heard_with_after_the_upgrade(old, demo, tmp_path):
    with pytest.raises(InputError, match=r"schema|softmax missing"):
        model_file.read(old)
    [written] = upgrade([old], tmp_path / "new")
    file = model_file.read(tmp_path / "new" / old.name)
    assert file == written
    assert file.manifest.schema == 3
    assert file.model == containers.split(OLDEST).model
    events = [event.keyword for event in Spotter.of(file).listen(AudioFile(demo / "demo.flac"))]
    assert len(events) >= 8
    assert set(events) <= set(file.manifest.keywords)


def test_the_network_gives_probabilities_itself(old, tmp_path):
    [file] = upgrade([old], tmp_path / "new")
    front_end = file.manifest.front_end
    window = np.random.default_rng(0).normal(size=(front_end.frames, front_end.mels)).astype(np.float32)
    for scores in load_engine(file).scores(window).values():
        assert scores.sum() == pytest.approx(1, abs=0.05)


def test_a_file_of_today_stays_as_it_is(shipped, tmp_path):
    upgrade([shipped], tmp_path / "new")
    assert (tmp_path / "new" / shipped.name).read_bytes() == shipped.read_bytes()


@pytest.mark.parametrize("at", [1000, len(OLDEST) - 300])
def test_a_damaged_file_is_refused_and_nothing_is_written(at, tmp_path, command):
    damaged = bytearray(OLDEST)
    damaged[at] ^= 1
    path = tmp_path / "old.tflite"
    path.write_bytes(damaged)
    (tmp_path / "good.tflite").write_bytes(OLDEST)
    result = command(
        "kws-export", "upgrade", tmp_path / "good.tflite", path, "--out", tmp_path / "new", check=False
    )
    one_line_refusal(result, path)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "change",
    [{"schema": 0}, {"schema": 99}, {"schema": True}, {"schema": None}, {"heads": 3}, {"decoder": []}],
)
def test_a_manifest_that_makes_no_sense_is_refused(change, tmp_path):
    parts = containers.split(OLDEST)
    text = json.dumps({**json.loads(parts.manifest), **change}).encode()
    path = tmp_path / "odd.tflite"
    path.write_bytes(containers.join(parts.model, text))
    with pytest.raises(InputError, match=r"odd\.tflite"):
        upgrade([path], tmp_path / "new")


def test_two_files_of_one_name_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kws.tflite").write_bytes(OLDEST)
    with pytest.raises(InputError, match="the same name"):
        upgrade([tmp_path / name / "kws.tflite" for name in ("a", "b")], tmp_path / "new")


def test_the_command_tells_the_new_hashes(old, command, tmp_path):
    result = command("kws-export", "upgrade", old, "--out", tmp_path / "new")
    file = model_file.read(tmp_path / "new" / old.name)
    assert result.stderr == f"{tmp_path / 'new' / old.name}  schema 3  {file.manifest.hash[:12]}\n"
