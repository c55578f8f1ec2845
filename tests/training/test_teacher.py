"""A model file as teacher: what a run would tell, from the file alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kws_device import InputError
from kws_device.model import model_file
from kws_training.schemes.kit.distillation import Teacher, check_teacher


@pytest.fixture(scope="module")
def mels():
    return np.random.default_rng(0).uniform(-80, -20, (40, 98, 40)).astype(np.float32)


def test_a_shipped_model_teaches_by_its_name_and_tells_its_balance(shipped, mels):
    manifest = model_file.read(shipped).manifest
    check_teacher(Path("kws"), manifest)
    shares = np.linspace(1, 2, len(manifest.head("keyword").labels))
    taught, plain = (Teacher(Path("kws"), s).scores(mels) for s in (shares, np.ones_like(shares)))
    # Its loss took half of the shares' logarithms out of the words' scores; scenes were left as they are.
    expected = plain["keyword"] * np.sqrt(shares)
    assert np.allclose(taught["keyword"], expected / expected.sum(axis=1, keepdims=True), atol=1e-6)
    assert np.array_equal(taught["scene"], plain["scene"])


def test_it_says_the_same_to_several_threads_at_once(shipped, mels):
    teacher = Teacher(shipped, np.ones(10))
    alone = [teacher.scores(mels[i : i + 5])["keyword"] for i in range(0, 40, 5)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda i: teacher.scores(mels[i : i + 5])["keyword"], range(0, 40, 5)))
    assert np.array_equal(alone, together)


@pytest.mark.parametrize("balance", ["half", 1e9, -0.5, None])
def test_a_file_with_a_balance_that_is_none_is_refused(balance, shipped, tmp_path):
    file = model_file.read(shipped)
    odd = replace(file.manifest, recipe={"optimisation": {"balance": balance}})
    path = model_file.write(tmp_path / "odd.tflite", file.model, odd, file.verifier).path
    with pytest.raises(InputError, match=r"optimisation\.balance"):
        check_teacher(path, file.manifest)
