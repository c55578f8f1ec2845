"""Figures of a judged set: what is right, and how far off that could be by the luck of who was recorded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws_training.evaluation.eval_sets import EvaluationSet, Item
from kws_training.evaluation.metrics import ci95, difference_ci95, figures, tally
from kws_training.evaluation.scoring import Judgement

COUNTS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2),
    st.integers(1, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    min_size=1,
)


def judged(*answers):
    """Answers as (speaker, whether it was right)."""
    items = [Item(str(n), who, "yes", np.zeros(1, np.float32)) for n, (who, _) in enumerate(answers)]
    predicted = ["yes" if right else "no" for _, right in answers]
    return Judgement("keyword", items, predicted, np.ones(len(items)))


def test_what_is_right_is_counted_by_speaker_in_the_order_of_their_first_clip():
    answers = [("mary", True), ("bob", False), ("mary", False), ("bob", False), ("mary", True)]
    found = tally(judged(*answers))
    assert found == {"mary": (2, 3), "bob": (0, 2)}
    assert list(found) == ["mary", "bob"]


@pytest.mark.parametrize(("right", "bound"), [(True, 1.0), (False, 0.0)])
def test_where_all_is_right_or_all_is_wrong_nothing_is_left_to_luck(right, bound):
    assert ci95(tally(judged(*[(str(n % 7), right) for n in range(50)]))) == (bound, bound)


def test_one_speaker_alone_gives_no_width():
    assert ci95({"mary": (3, 4)}) == (0.75, 0.75)


def test_an_interval_by_speakers_is_wider_than_one_by_clips():
    by_speaker = np.random.default_rng(0).random(40) < 0.8
    answers = [(str(speaker), right) for speaker, right in enumerate(by_speaker) for _ in range(10)]
    wide = ci95(tally(judged(*answers)))
    narrow = ci95(tally(judged(*((str(clip), right) for clip, (_, right) in enumerate(answers)))))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
    assert wide[0] < by_speaker.mean() < wide[1]


def test_by_single_clips_the_interval_is_that_of_a_binomial_share():
    low, high = ci95({str(n): (int(n < 800), 1) for n in range(1000)})
    half = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    assert (low, high) == (pytest.approx(0.8 - half, abs=0.004), pytest.approx(0.8 + half, abs=0.004))


@settings(deadline=None)
@given(COUNTS, st.integers(0, 100))
def test_an_interval_lies_between_the_worst_and_the_best_speaker_and_repeats(counts, seed):
    low, high = ci95(counts, seed)
    shares = [right / n for right, n in counts.values()]
    assert min(shares) - 1e-9 <= low <= high <= max(shares) + 1e-9
    assert ci95(dict(reversed(counts.items())), seed) == (low, high)


@settings(deadline=None)
@given(COUNTS)
def test_two_models_that_answer_alike_do_not_differ_at_all(counts):
    assert difference_ci95(counts, dict(reversed(counts.items()))) == (0, 0)


@settings(deadline=None)
@given(COUNTS, st.data())
def test_a_difference_the_other_way_round_is_its_negative(counts, data):
    others = {who: (data.draw(st.integers(0, n)), n) for who, (_, n) in sorted(counts.items())}
    low, high = difference_ci95(counts, others)
    assert difference_ci95(others, counts) == (
        pytest.approx(-high, abs=1e-12),
        pytest.approx(-low, abs=1e-12),
    )


def test_a_model_that_is_better_on_every_speaker_is_surely_better():
    """Speakers differ far more than the two models do, which the same draw for both takes out."""
    rng = np.random.default_rng(1)
    right = {str(n): int(rng.integers(10, 90)) for n in range(30)}
    worse = {who: (n, 100) for who, n in right.items()}
    better = {who: (n + 3 + int(rng.integers(3)), 100) for who, n in right.items()}
    low, high = difference_ci95(better, worse)
    assert 0.03 <= low < high <= 0.05
    assert ci95(better)[0] < ci95(worse)[1]


def test_models_that_were_judged_on_other_speakers_are_not_compared():
    with pytest.raises(ValueError, match="not judged on the same sources"):
        difference_ci95({"mary": (1, 2)}, {"mary": (1, 2), "bob": (0, 1)})
    with pytest.raises(ValueError, match="not judged on the same sources"):
        difference_ci95({"mary": (1, 2)}, {"bob": (1, 2)})


def test_a_reports_entry_has_what_names_the_set_and_only_the_heads_that_were_asked():
    keyword = judged(("mary", True), ("bob", False), ("mary", True))
    clean = EvaluationSet("clean", None, None, None, keyword.items, [])
    entry = figures(clean, {"keyword": keyword})
    low, high = ci95(tally(keyword))
    assert entry == {
        "set": "clean",
        "kind": "clean",
        "keyword": {"accuracy": 0.66667, "ci95": [round(low, 5), round(high, 5)], "n": 3},
    }
    mixed = EvaluationSet("mel", "scenes", None, (0.6, 0.4), keyword.items, [])
    assert figures(mixed, {}) == {"set": "mel60:40", "kind": "mel", "with": "scenes", "ratio": [0.6, 0.4]}
    noisy = EvaluationSet("waveform", "noise", 10.0, None, keyword.items, [])
    assert figures(noisy, {}) == {"set": "snr10-noise", "kind": "waveform", "with": "noise", "snr_db": 10.0}
