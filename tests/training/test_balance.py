"""The loss that knows how often training says each label, and what it takes from the statistics."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import synthetic_datasets

from kws_training.cli import schemes
from kws_training.data.corpus import Folders, keyword_labels, load_corpus
from kws_training.schemes.kit.examples import Examples
from kws_training.schemes.kit.losses import BalancedCrossentropy
from kws_training.schemes.kit.statistics import statistics

SHARES = np.array([0.1, 0.2, 0.7])


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_the_loss_is_that_of_logits_moved_by_the_logarithm_of_the_shares(balance):
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((32, 3)).astype(np.float32)
    wanted = np.eye(3, dtype=np.float32)[rng.integers(3, size=32)]
    plain = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.05)
    balanced = BalancedCrossentropy(SHARES**balance, 0.05)
    moved = logits + balance * np.log(SHARES).astype(np.float32)
    scores = np.array(keras.ops.softmax(logits))
    assert float(balanced(wanted, scores)) == pytest.approx(float(plain(wanted, moved)), rel=1e-5)


def test_scores_without_evidence_become_equal_where_the_balance_is_whole():
    """Fitted to labels that nothing can tell apart, scores are the shares, or with the loss's help equal."""
    steps = 200
    wanted = np.tile(np.eye(3, dtype=np.float32)[np.repeat([0, 1, 2], [10, 20, 70])], (steps, 1))
    nothing = np.ones((len(wanted), 1), dtype=np.float32)
    for balance, learned in ((0.0, SHARES), (1.0, np.full(3, 1 / 3))):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, activation="softmax")])
        model.compile(keras.optimizers.Adam(0.1), BalancedCrossentropy(SHARES**balance, 0.0))
        model.fit(nothing, wanted, batch_size=100, shuffle=False, verbose=0)
        assert np.array(model(nothing[:1]))[0] == pytest.approx(learned, abs=0.01)


def test_a_saved_model_brings_its_loss_back(tmp_path):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("adam", BalancedCrossentropy(SHARES, 0.05))
    model.save(tmp_path / "model.keras")
    loss = keras.models.load_model(tmp_path / "model.keras").loss
    assert (loss.odds, loss.label_smoothing) == (SHARES.tolist(), 0.05)


def test_shares_are_those_of_the_windows_that_train_the_keyword_head(tmp_path):
    recipe = schemes.load("default", {"keywords": ["yes", "no"], "epoch.least_windows": 2000})
    folders = Folders(
        synthetic_datasets.speech_commands(tmp_path / "s"), synthetic_datasets.esc50(tmp_path / "e")
    )
    examples = Examples(load_corpus(folders, recipe.keywords, 16000, "train"), recipe)
    _, shares = statistics(examples, recipe)
    labels = keyword_labels(recipe.keywords)
    assert shares.sum() == pytest.approx(1)
    assert shares[labels.index("_silence_")] == pytest.approx(recipe.epoch.silence_share, abs=0.03)
    # Other words, and what was cut off the two keywords.
    assert shares[labels.index("_unknown_")] > recipe.epoch.unknown_share
    assert shares[labels.index("yes")] == pytest.approx(shares[labels.index("no")], rel=0.2)
