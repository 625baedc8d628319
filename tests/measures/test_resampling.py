from __future__ import annotations

import numpy as np
import pytest

from emotion_kedro.measures.resampling import auc, bootstrap_mean, bootstrap_statistic, entropy


@pytest.mark.parametrize(
    ("positive", "scores", "expected"),
    [
        ([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1], 1.0),
        ([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9], 0.0),
        ([1, 0, 1, 0], [0.9, 0.8, 0.2, 0.1], 0.75),  # three of the four pairs are in order
        ([1, 0, 0], [0.5, 0.5, 0.1], 0.75),  # one tie, one in order
        ([1, 0], [0.3, 0.3], 0.5),
    ],
)
def test_auc_counts_pairs(positive: list[int], scores: list[float], expected: float) -> None:
    assert auc(positive, scores) == pytest.approx(expected)


def test_auc_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    truth, scores = random.integers(2, size=200), random.integers(20, size=200)
    assert auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))


def test_auc_of_one_class_is_unknown() -> None:
    assert np.isnan(auc([1, 1], [0.1, 0.2]))


def test_entropy_runs_from_one_label_to_all() -> None:
    assert entropy([[1, 0, 0, 0], [3, 3, 3, 3], [0.5, 0.5, 0, 0]]).tolist() == pytest.approx([0.0, 1.0, 0.5])


def test_a_constant_has_an_interval_without_width() -> None:
    found = bootstrap_mean(np.full((2, 10), 0.25), samples=50)
    assert (found.estimate, found.low, found.high) == (0.25, 0.25, 0.25)


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(1).normal(size=400)
    found = bootstrap_mean(values, samples=4000)
    half = 1.96 * values.std() / np.sqrt(400)
    assert found.estimate == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.01)
    assert found.high == pytest.approx(values.mean() + half, abs=0.01)


def test_groups_are_drawn_whole() -> None:
    # Two groups of equal rows: a draw has the mean of one of them, or of both.
    values, groups = [0.0] * 5 + [1.0] * 5, ["a"] * 5 + ["b"] * 5
    seen = set()

    def mean(rows: np.ndarray, _: np.ndarray) -> float:
        seen.add(float(np.asarray(values)[rows].mean()))
        return float(np.asarray(values)[rows].mean())

    bootstrap_statistic(mean, 10, groups=groups, samples=200)
    assert seen == {0.0, 0.5, 1.0}


def test_sets_keep_their_sizes_in_every_draw() -> None:
    strata = np.array([0] * 3 + [1] * 7)

    def first(rows: np.ndarray, _: np.ndarray) -> float:
        assert (strata[rows] == 0).sum() == 3
        return float((strata[rows] == 1).sum())

    assert bootstrap_statistic(first, 10, strata=strata, samples=50).estimate == 7.0


def test_seeds_are_drawn_too() -> None:
    found = bootstrap_mean([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], samples=400)
    assert (found.low, found.estimate, found.high) == (0.0, 0.5, 1.0)


def test_draws_without_a_figure_are_left_out() -> None:
    truth, scores = np.array([1, 0, 0]), np.array([0.9, 0.1, 0.2])
    found = bootstrap_statistic(lambda rows, _: auc(truth[rows], scores[rows]), 3, samples=100)
    assert (found.estimate, found.low, found.high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": ["a", "a", "a"]}, "at least two"),
        ({"strata": [0, 0, 1]}, "at least two"),
        ({"groups": ["a"]}, "one for each of the 3 rows"),
    ],
)
def test_what_cannot_be_drawn_is_an_error(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_statistic(lambda *_: 0.0, 3, samples=5, **options)  # type: ignore[arg-type]


def test_a_statistic_without_any_figure_is_an_error() -> None:
    with pytest.raises(ValueError, match="no figure"):
        bootstrap_statistic(lambda *_: float("nan"), 3, samples=5)
