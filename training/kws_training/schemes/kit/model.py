"""Builds and compiles the network of a recipe."""

from __future__ import annotations

import keras
import numpy as np
from numpy.typing import NDArray

from kws_device.model.manifest import KEYWORD_HEAD, SCENE_HEAD

from ...loop.bn_folding import folded
from ...loop.fit import warmed_up
from .losses import BalancedCrossentropy
from .network import residual_network
from .qat import with_rounding
from .recipe import KitRecipe


def new_network(recipe: KitRecipe, labels: dict[str, int]) -> keras.Model:
    """The recipe's network with new weights, as an export gets it.

    Args:
        recipe: its front end, its model, and whether it is aware of int8.
        labels: number of labels by head.
    """
    network = residual_network(recipe.front_end, recipe.model, labels)
    return folded(network) if recipe.quantisation.qat else network


def compiled(network: keras.Model, recipe: KitRecipe, steps: int, shares: NDArray[np.float64]) -> keras.Model:
    """A network ready to be fitted; where the recipe says so, with int8's rounding around its weights.

    Args:
        network: of `new_network`.
        recipe: its optimisation, and whether it is aware of int8.
        steps: of an epoch.
        shares: of the keyword labels in training, see `statistics`.
    """
    model = with_rounding(network) if recipe.quantisation.qat else network
    plan = recipe.optimisation
    rate = warmed_up(plan.learning_rate, plan.warmup_share, plan.epochs * steps)
    losses = {
        KEYWORD_HEAD: BalancedCrossentropy((shares**plan.balance).tolist(), plan.label_smoothing),
        SCENE_HEAD: keras.losses.CategoricalCrossentropy(),
    }
    weights = {KEYWORD_HEAD: 1.0, SCENE_HEAD: plan.scene_loss_weight}
    model.compile(
        keras.optimizers.AdamW(rate, weight_decay=plan.weight_decay),
        loss={head: losses[head] for head in model.output},
        loss_weights={head: weights[head] for head in model.output},
        weighted_metrics={head: ["accuracy"] for head in model.output},
    )
    return model
