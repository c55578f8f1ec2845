"""Which recordings train, validate and test."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws_training.data.splits import SPLITS, background_splits, speaker_of, split_by_rank

ORDER = ("train", "test", "validation", "train")
NAMES = st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=3, max_size=40, unique=True)


@given(NAMES)
def test_three_sources_fill_every_split(names: list[str]) -> None:
    assert set(split_by_rank(names, ORDER).values()) == set(SPLITS)


@given(NAMES)
def test_neither_order_nor_repetition_changes_a_split(names: list[str]) -> None:
    assert split_by_rank([*reversed(names), *names], ORDER) == split_by_rank(names, ORDER)


@given(NAMES, st.integers(1, 4))
def test_all_recordings_of_a_speaker_share_a_split(speakers: list[str], takes: int) -> None:
    root = Path("talk")
    paths = [root / f"{speaker}_{take}.ogg" for speaker in speakers for take in range(takes)]
    split = background_splits(paths, root)
    assert all(len({split[path] for path in paths if speaker_of(path) == s}) == 1 for s in speakers)
    assert set(split.values()) == set(SPLITS)


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("talk/eval/a.ogg", {"test"}),
        ("talk/test/a.ogg", {"test"}),
        ("talk/dev/a.ogg", {"validation"}),
        ("talk/train/test/a.ogg", {"test"}),
        ("talk/train/a.ogg", {"train"}),
    ],
)
def test_a_folder_that_says_what_it_is_for_decides(path: str, split: set[str]) -> None:
    assert set(background_splits([Path(path)], Path("talk")).values()) == split


def test_the_named_folder_itself_may_say_what_it_is_for() -> None:
    assert background_splits([Path("eval/a.ogg")], Path("eval")) == {Path("eval/a.ogg"): "test"}


def test_every_fifth_speaker_of_a_training_folder_validates() -> None:
    root = Path("train")
    split = background_splits([root / f"{speaker}-1-0001.flac" for speaker in range(20)], root)
    assert sorted(split.values()) == ["train"] * 16 + ["validation"] * 4


@pytest.mark.parametrize(
    ("name", "speaker"),
    [("19-198-0040.flac", "19"), ("anna_01.wav", "anna"), ("athena-en-7ce8.ogg", "athena-en-7ce8")],
)
def test_a_name_tells_its_speaker(name: str, speaker: str) -> None:
    assert speaker_of(Path(name)) == speaker
