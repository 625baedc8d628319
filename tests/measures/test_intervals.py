from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score

from emotion_kedro.measures.intervals import METRICS, Interval, Metric, bootstrap_score, paired_bootstrap

LABELS = 4
Classes = NDArray[np.int64]


def guesses(truth: Classes, accuracy: float, seeds: int, random: np.random.Generator) -> Classes:
    """Predictions (S, n) that are right with the given probability, else one of the other labels."""
    shape = (seeds, len(truth))
    wrong = (truth + random.integers(1, LABELS, size=shape)) % LABELS
    return np.where(random.random(shape) < accuracy, truth, wrong)


@pytest.fixture
def arms() -> tuple[Classes, Classes, Classes]:
    random = np.random.default_rng(3)
    truth = random.integers(LABELS, size=120)
    return truth, guesses(truth, 0.5, 3, random), guesses(truth, 0.7, 3, random)


@pytest.mark.parametrize("metric", METRICS)
def test_estimates_agree_with_scikit_learn(arms: tuple[Classes, Classes, Classes], metric: Metric) -> None:
    truth, first, second = arms

    def mean(runs: Classes) -> float:
        if metric == "accuracy":
            return float(np.mean([accuracy_score(truth, run) for run in runs]))
        labels = range(LABELS + 1)
        values = [f1_score(truth, run, labels=labels, average="macro", zero_division=0) for run in runs]
        return float(np.mean(values))

    # One label more than there are rows of: its F1 is 0 here and in scikit-learn.
    one = bootstrap_score(truth, first, LABELS + 1, metric, samples=50)
    two = paired_bootstrap(truth, first, second, LABELS + 1, metric, samples=50)
    assert one.estimate == pytest.approx(mean(first))
    assert two.estimate == pytest.approx(mean(second) - mean(first))
    assert one.low <= one.estimate <= one.high


def test_one_seed_accuracy_agrees_with_scipy(arms: tuple[Classes, Classes, Classes]) -> None:
    truth, first, _ = arms
    hits = (truth == first[0]).astype(float)
    theirs = stats.bootstrap((hits,), np.mean, method="percentile", n_resamples=20_000, rng=0)
    ours = bootstrap_score(truth, first[:1], LABELS, "accuracy", samples=20_000)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.01)


def test_seeds_are_resampled() -> None:
    # The rows say nothing (each seed is all right or all wrong), so the spread is that of the seeds alone:
    # with 2 seeds the mean is 0, 1/2 or 1 with probabilities 1/4, 1/2, 1/4.
    truth = np.zeros(50, dtype=int)
    predicted = np.stack([truth, truth + 1])
    found = bootstrap_score(truth, predicted, 2, "accuracy")
    assert (found.estimate, found.low, found.high) == (0.5, 0.0, 1.0)
    narrow = bootstrap_score(truth, predicted, 2, "accuracy", level=0.4)
    assert (narrow.low, narrow.high) == (0.5, 0.5)


def test_pairing_cancels_what_both_share(arms: tuple[Classes, Classes, Classes]) -> None:
    truth, first, _ = arms
    same = paired_bootstrap(truth, first, first, LABELS, "macro_f1", samples=200)
    assert (same.estimate, same.low, same.high) == (0.0, 0.0, 0.0)
    assert not same.excludes_zero


def test_swapping_the_arms_turns_the_sign(arms: tuple[Classes, Classes, Classes]) -> None:
    truth, first, second = arms
    there = paired_bootstrap(truth, first, second, LABELS, "macro_f1", samples=300)
    back = paired_bootstrap(truth, second, first, LABELS, "macro_f1", samples=300)
    assert there.excludes_zero
    assert back.excludes_zero
    np.testing.assert_allclose([there.estimate, there.low, there.high], [-back.estimate, -back.high, -back.low])


def test_one_group_a_row_changes_nothing(arms: tuple[Classes, Classes, Classes]) -> None:
    truth, first, second = arms
    plain = paired_bootstrap(truth, first, second, LABELS, "accuracy", samples=100)
    names = [f"group {row:03}" for row in range(len(truth))]
    assert paired_bootstrap(truth, first, second, LABELS, "accuracy", samples=100, groups=names) == plain


def test_near_duplicates_widen_the_interval(arms: tuple[Classes, Classes, Classes]) -> None:
    truth, first, _ = arms
    copies, groups = 9, np.tile(np.arange(len(truth)), 9)
    once = bootstrap_score(truth, first, LABELS, "macro_f1")
    truth, first = np.tile(truth, copies), np.tile(first, copies)
    naive = bootstrap_score(truth, first, LABELS, "macro_f1")
    grouped = bootstrap_score(truth, first, LABELS, "macro_f1", groups=groups)
    # Nine copies of the test set are no new evidence: with groups the interval stays what it was.
    assert (grouped.low, grouped.high) == pytest.approx((once.low, once.high))
    assert naive.high - naive.low < 0.8 * (once.high - once.low)


def test_seed_makes_it_repeatable(arms: tuple[Classes, Classes, Classes]) -> None:
    truth, first, _ = arms
    options: dict[str, Any] = {"samples": 100}
    one = bootstrap_score(truth, first, LABELS, "accuracy", seed=1, **options)
    assert one == bootstrap_score(truth, first, LABELS, "accuracy", seed=1, **options)
    assert one != bootstrap_score(truth, first, LABELS, "accuracy", seed=2, **options)


@pytest.mark.parametrize("metric", METRICS)
def test_interval_covers_the_known_difference(metric: Metric) -> None:
    # Balanced labels and even mistakes: macro-F1 and accuracy of the population are the same number.
    repeats, covered = 100, 0
    for repeat in range(repeats):
        random = np.random.default_rng(repeat)
        truth = random.integers(LABELS, size=300)
        first, second = guesses(truth, 0.6, 1, random), guesses(truth, 0.7, 1, random)
        found = paired_bootstrap(truth, first, second, LABELS, metric, samples=300, seed=repeat)
        covered += found.low <= 0.1 <= found.high
    assert 88 <= covered <= 100


def test_large_case_takes_seconds() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(LABELS, size=3000)
    first, second = guesses(truth, 0.5, 3, random), guesses(truth, 0.6, 3, random)
    started = time.perf_counter()
    found = paired_bootstrap(truth, first, second, LABELS, "macro_f1")
    assert time.perf_counter() - started < 5
    assert found.low > 0.05
    assert found.high < 0.15


def test_interval_as_dict() -> None:
    found = Interval(estimate=0.1, low=0.0, high=0.2, level=0.95, samples=10)
    assert found.as_dict() == {"estimate": 0.1, "low": 0.0, "high": 0.2, "level": 0.95, "samples": 10}
    assert not found.excludes_zero
    assert Interval(-0.2, -0.3, -0.1, 0.95, 10).excludes_zero


@pytest.mark.parametrize(
    ("truth", "predicted", "options", "message"),
    [
        ([0, 1], [0, 1], {}, "shapes"),
        ([0, 1], [[0, 1, 1]], {}, "shapes"),
        ([0, 1], np.zeros((0, 2), dtype=int), {}, "shapes"),
        ([0, 2], [[0, 1]], {}, "0..2"),
        ([0, 1], [[0, -1]], {}, "-1..0"),
        ([0.0, 1.0], [[0, 1]], {}, "float64"),
        ([0], [[0]], {}, "at least two"),
        ([0, 1], [[0, 1]], {"groups": ["a", "a"]}, "at least two"),
        ([0, 1], [[0, 1]], {"groups": ["a"]}, "groups have shape"),
        ([0, 1], [[0, 1]], {"samples": 1}, "samples is 1"),
        ([0, 1], [[0, 1]], {"level": 95}, "level 95"),
        ([0, 1], [[0, 1]], {"metric": "f1"}, "'f1'"),
    ],
)
def test_refuses(truth: Any, predicted: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_score(truth, predicted, 2, **{"metric": "accuracy", **options})


def test_refuses_different_numbers_of_seeds() -> None:
    with pytest.raises(ValueError, match="shapes"):
        paired_bootstrap([0, 1], [[0, 1]], [[0, 1], [1, 1]], 2, "accuracy")
