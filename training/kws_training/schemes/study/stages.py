"""The stages of a run: joint training, then fine-tuning of each head."""

from __future__ import annotations

from dataclasses import dataclass

from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from .recipe import StudyRecipe

TRUNK = "trunk"
"""What the names of the layers begin with that all tasks share; a head's begin with its own name."""
ALONE = {KEYWORD_HEAD: (1.0, 0.0), SCENE_HEAD: (0.0, 1.0)}
"""The ratio at which a head is fine-tuned."""


@dataclass(frozen=True)
class Stage:
    """What a run fits, and on which mixture."""

    trained: tuple[str, ...]
    """Parts of the network, see network.train_only."""
    ratio: tuple[float, ...]
    randomness: float
    epochs: int
    best: str
    """The head whose validation accuracy chooses the checkpoint."""
    number: int
    """Keeps random numbers apart: heads fine-tuned so far."""


def stage_of(recipe: StudyRecipe) -> Stage:
    """The last of a recipe's stages: the joint training, or the head that is fine-tuned last."""
    heads, tuned = recipe.model.heads, recipe.fine_tuning.heads
    if tuned:
        plan = recipe.fine_tuning
        return Stage((tuned[-1],), ALONE[tuned[-1]], plan.randomness, plan.epochs, tuned[-1], len(tuned))
    trained = (TRUNK,) if recipe.model.frozen_heads else (TRUNK, *heads)
    mixing = recipe.mixing
    return Stage(trained, mixing.ratio, mixing.randomness, recipe.optimisation.epochs, heads[0], 0)
