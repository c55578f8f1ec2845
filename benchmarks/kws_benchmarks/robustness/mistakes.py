"""The mistakes with the highest scores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kws_training.evaluation.eval_sets import Item
from kws_training.evaluation.scoring import Judgement

MOST = 50
OF_SCENES = 10
"""Of the fifty; words take the places that scenes leave, and the other way round."""


@dataclass(frozen=True)
class Mistake:
    """A window that was taken for something else."""

    condition: str
    """Name of the set."""
    head: str
    predicted: str
    """What it heard."""
    score: float
    """Of what it heard, 0 to 1."""
    item: Item
    """The window, and the truth."""


class Worst:
    """Keeps a head's surest mistakes, one for each clip, and forgets the others."""

    def __init__(self, head: str, most: int = MOST) -> None:
        self._head, self._most = head, most
        self._found: dict[str, Mistake] = {}

    def add(self, condition: str, judgement: Judgement) -> None:
        """Look at the answers to some of the windows; of equally sure ones the first is kept."""
        wrong = (~judgement.correct).nonzero()[0]
        for n in sorted(wrong, key=lambda n: -judgement.score[n])[: self._most]:
            item, score = judgement.items[n], float(judgement.score[n])
            known = self._found.get(item.name)
            if known is None or score > known.score:
                self._found[item.name] = Mistake(condition, self._head, judgement.predicted[n], score, item)
        self._found = {mistake.item.name: mistake for mistake in self.surest()}

    def surest(self) -> list[Mistake]:
        """The surest first."""
        return sorted(self._found.values(), key=lambda mistake: -mistake.score)[: self._most]


def fifty(words: Iterable[Mistake], scenes: Iterable[Mistake]) -> list[Mistake]:
    """The surest mistakes of both heads, words first."""
    said, heard = list(words), list(scenes)
    of_words = said[: max(MOST - OF_SCENES, MOST - len(heard))]
    return of_words + heard[: MOST - len(of_words)]
