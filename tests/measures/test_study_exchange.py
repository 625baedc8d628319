from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from study_tables import LABELS, cells_of, predictions_of, share_right

from emotion_kedro.measures.learning_curves import equal_sizes, exchange, rising

OPTIONS: dict[str, Any] = {"samples": 300, "level": 0.95, "seed": 0}
SIZES = [10, 100, 1000]


def test_a_curve_that_is_linear_in_log_size_is_inverted_exactly() -> None:
    curves = np.tile([0.3, 0.5, 0.7], (5, 1))  # 0.1 + 0.2 * log10(n)
    found = equal_sizes([0.3, 0.4, 0.5, 0.62, 0.7], curves, SIZES)
    np.testing.assert_allclose(found, [10, 10**1.5, 100, 10**2.6, 1000])


def test_beyond_the_ends_is_infinite() -> None:
    assert equal_sizes([0.29, 0.71], [[0.3, 0.5, 0.7]] * 2, SIZES).tolist() == [-math.inf, math.inf]


def test_where_the_curve_is_level_the_smallest_size_counts() -> None:
    level = [[0.3, 0.5, 0.5, 0.7]] * 3
    # Just above the level one has come to its far end.
    np.testing.assert_allclose(
        equal_sizes([0.5, 0.6, 0.4], level, [10, 20, 40, 80]), [20, math.sqrt(3200), math.sqrt(200)]
    )
    assert equal_sizes([0.5], [[0.5, 0.5]], [10, 20]).tolist() == [10]


def test_curves_are_made_to_rise_as_by_scikit_learn() -> None:
    curves = np.random.default_rng(0).normal(size=(20, 5)) + np.arange(5) / 2
    expected = [IsotonicRegression().fit_transform(np.arange(5), curve) for curve in curves]
    np.testing.assert_allclose(rising(curves, [1, 2, 4, 8, 16]), expected)
    # The sizes need not be in order.
    np.testing.assert_allclose(rising(curves[:, ::-1], [16, 8, 4, 2, 1]), np.array(expected)[:, ::-1])


def study(accuracies: dict[tuple[str, int], float]) -> dict[str, dict[str, Any]]:
    """The exchange of arms that get these accuracies with every seed, 10 rows added per label; by arm."""
    right = {
        (arm, n, data_seed, 0): share_right(value, 200)
        for (arm, n), value in accuracies.items()
        for data_seed in (0, 1)
    }
    predictions = predictions_of(right)
    added = {arm: 10 * len(LABELS) for arm, _ in accuracies if arm not in {"real", "nothing"}}
    return {row["arm"]: row for row in exchange(predictions, cells_of(predictions, added), LABELS, **OPTIONS)}


def test_what_an_added_row_is_worth() -> None:
    curve = {("real", 10): 0.3, ("real", 100): 0.5, ("real", 1000): 0.7}
    found = study(curve | {("same", 100): 0.5, ("more", 10): 0.5, ("less", 100): 0.3, ("nothing", 10): 0.4})
    assert list(found) == ["same", "more", "less", "nothing"]
    # Whatever rows are drawn, arm and curve meet at 100: the draws are the same for both.
    assert found["same"]["equal_to"] == {
        "estimate": pytest.approx(100),
        "low": pytest.approx(100),
        "high": pytest.approx(100),
        "level": 0.95,
        "samples": 300,
    }
    assert found["same"]["worth"] == pytest.approx(0)
    assert found["more"]["added_rows"] == 10
    assert found["more"]["worth"] == pytest.approx((100 - 10) / 10)
    assert found["less"]["worth"] == pytest.approx((10 - 100) / 10)
    assert found["nothing"]["equal_to"]["estimate"] == pytest.approx(10**1.5)
    assert found["nothing"]["worth"] is None


def test_beyond_the_curve_nothing_is_said() -> None:
    curve = {("real", 10): 0.3, ("real", 100): 0.5}
    found = study(curve | {("high", 10): 0.6, ("low", 10): 0.2, ("near", 10): 0.5})
    assert [(found[arm]["equal_to"], found[arm]["beyond"], found[arm]["worth"]) for arm in ("high", "low")] == [
        (None, "above", None),
        (None, "below", None),
    ]
    assert found["near"]["beyond"] is None


def test_an_end_of_the_interval_beyond_the_curve_is_unknown() -> None:
    # The arm is right on other rows than the curve, so that in some draws it passes the curve's upper end.
    right = {("real", n, 0, 0): share_right(value, 60) for n, value in ((10, 0.2), (100, 0.5))}
    right["new", 10, 0, 0] = share_right(0.45, 60)[::-1]
    predictions = predictions_of(right)
    (row,) = exchange(predictions, cells_of(predictions), LABELS, **OPTIONS)
    assert 10 < row["equal_to"]["estimate"] < 100
    assert row["equal_to"]["high"] is None


def test_noise_gives_an_interval_around_the_estimate() -> None:
    random = np.random.default_rng(1)
    accuracies = {("real", 10): 0.3, ("real", 100): 0.5, ("real", 1000): 0.7, ("new", 10): 0.5}
    right = {
        (arm, n, data_seed, 0): (random.random(400) < value).tolist()
        for (arm, n), value in accuracies.items()
        for data_seed in range(3)
    }
    predictions = predictions_of(right)
    (row,) = exchange(predictions, cells_of(predictions, {"new": 30}), LABELS, **OPTIONS)
    assert 10 < row["equal_to"]["low"] < row["equal_to"]["estimate"] < row["equal_to"]["high"] < 1000
    assert row["equal_to"]["low"] < 100 < row["equal_to"]["high"]
    assert row["accuracy"] == pytest.approx(np.mean([right["new", 10, data_seed, 0] for data_seed in range(3)]))


def test_where_labels_run_out_of_rows_the_rows_that_there_were_count() -> None:
    right = {
        (arm, n, 0, 0): share_right(value, 200)
        for (arm, n), value in {("real", 10): 0.3, ("real", 100): 0.5, ("new", 10): 0.4, ("new", 100): 0.5}.items()
    }
    predictions = predictions_of(right)
    cells = cells_of(predictions, {"new": 30})
    cells.loc[cells["n"] == 100, "train_rows"] = 120  # 40 a label, not 100
    small, large = exchange(predictions, cells, LABELS, **OPTIONS)
    assert (small["n"], small["rows_per_label"], large["n"], large["rows_per_label"]) == (10, 10, 100, 40)
    assert small["equal_to"]["estimate"] == pytest.approx(20)  # half-way from 10 to 40 in log
    assert small["worth"] == pytest.approx((20 - 10) / 10)
    assert large["equal_to"]["estimate"] == pytest.approx(40)
    assert large["worth"] == pytest.approx(0)


def test_one_size_is_no_curve() -> None:
    assert study({("real", 10): 0.3, ("new", 10): 0.5}) == {}
