"""What a manifest says of the embedding, and of the words that were taught with it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .._support.schema import check_range

EMBEDDING_OUTPUT = "embedding"
"""The name of the embedding's only output."""
INT8 = 127
"""Values of unit vectors are stored as whole numbers from -127 to 127, which stand for -1 to 1."""

_MOST_WORDS = 50
_MOST_TAKES = 100
_LARGEST = 1024
"""Values of an embedding."""


@dataclass(frozen=True)
class EmbeddingConfig:
    """A network that turns the sound of any word into a unit vector; alike words give alike vectors."""

    clip_ms: float
    """How much sound it sees at once, through the model's front end; at least that of the first network."""
    size: int
    """Values of an embedding."""
    pause_db: float
    """A word has ended when the level has fallen so far below the loudest of the last 1.2 s."""
    looks: int
    """So many consecutive decisions look at a word that has ended; the surest look counts."""
    bank_hours: float
    """Hours of talk of which the bank holds every look, shape (looks, size)."""
    sha256: str
    """Of the network's bytes, in hexadecimal."""
    bank_sha256: str
    """Of the bank's bytes."""

    def __post_init__(self) -> None:
        """Raises ValueError for a number out of its range."""
        check_range("clip_ms of the embedding", self.clip_ms, 1, 10_000)
        check_range("the size of the embedding", self.size, 1, _LARGEST)
        check_range("pause_db", self.pause_db, 0, 100)
        check_range("looks of the embedding", self.looks, 1, 10)
        check_range("bank_hours", self.bank_hours, 1e-3, 1e6)


@dataclass(frozen=True)
class TaughtWord:
    """A word that was taught by a few takes."""

    word: str
    takes: tuple[tuple[int, ...], ...]
    """The embedding of each take, from -127 to 127."""
    scale: float
    """The score is sigmoid(scale * likeness + offset)."""
    offset: float

    def __post_init__(self) -> None:
        """Raises ValueError for a number out of its range."""
        check_range(f"the number of takes of {self.word}", len(self.takes), 1, _MOST_TAKES)
        for take in self.takes:
            if not any(take):
                raise ValueError(f"a take of {self.word} is zero")
            for value in take:
                check_range(f"a value of a take of {self.word}", value, -INT8, INT8)
        check_range(f"scale of {self.word}", self.scale, 1e-3, 1e4)
        check_range(f"offset of {self.word}", self.offset, -1e4, 1e4)

    def score(self, likeness: float) -> float:
        """0 to 1, for how alike an embedding is to the takes, from -1 to 1."""
        return 1 / (1 + math.exp(-min(max(self.scale * likeness + self.offset, -50.0), 50.0)))


def check_taught(words: tuple[TaughtWord, ...], size: int, trained: tuple[str, ...]) -> None:
    """Check that taught words fit the embedding and the other keywords.

    Args:
        words: that were taught.
        size: values of an embedding.
        trained: keywords of the first network.

    Raises:
        ValueError: too many words, one that is there twice, or one of another size.
    """
    names = [word.word for word in words]
    check_range("the number of taught words", len(names), 0, _MOST_WORDS)
    if len({*names, *trained}) < len(names) + len(trained):
        raise ValueError("a taught word is there twice, or is also a keyword of the network")
    for word in words:
        if any(len(take) != size for take in word.takes):
            raise ValueError(f"a take of {word.word} does not have {size} values, as the embedding has")
