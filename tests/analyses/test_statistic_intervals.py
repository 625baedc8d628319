"""Intervals of any statistic: the same resamples as those of scores, and what they cover."""

from __future__ import annotations

import numpy as np
import pytest

from emotion_kedro.analyses.intervals import interval_of, mean_interval
from emotion_kedro.config.evaluation import EvaluationConfig

EVALUATION = EvaluationConfig(bootstrap_samples=400)


def test_the_mean_of_many_rows_has_the_interval_of_the_normal_law() -> None:
    values = np.random.default_rng(0).normal(size=400)
    interval = mean_interval(values, np.arange(400), EVALUATION)
    error = values.std() / 20
    assert interval.low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)
    assert interval == mean_interval(values, np.arange(400), EVALUATION)


def test_rows_of_a_group_are_drawn_together() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=40), 10)
    alone = mean_interval(values, np.arange(400), EVALUATION)
    together = mean_interval(values, np.repeat(np.arange(40), 10), EVALUATION)
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(np.sqrt(10), rel=0.2)


def test_seeds_are_drawn_too() -> None:
    values = np.array([[0.0] * 50, [1.0] * 50])
    interval = mean_interval(values, np.arange(50), EVALUATION)
    assert (interval.low, interval.estimate, interval.high) == (0.0, 0.5, 1.0)


def test_sets_are_resampled_each_by_itself() -> None:
    strata = np.arange(40) >= 20
    sizes: set[int] = set()

    def count(rows: np.ndarray, seeds: np.ndarray) -> float:
        sizes.add(int((rows < 20).sum()))
        return float(rows.mean())

    interval_of(count, np.arange(40), EVALUATION, strata=strata)
    assert sizes == {20}


def test_what_has_no_interval_has_no_ends() -> None:
    assert np.isnan(mean_interval([1.0, 2.0], [7, 7], EVALUATION).low)
    assert mean_interval([1.0, 2.0], [7, 7], EVALUATION).estimate == 1.5
    assert np.isnan(interval_of(lambda *_: float("nan"), np.arange(4), EVALUATION).estimate)
    assert np.isnan(interval_of(lambda *_: 1.0, [], EVALUATION).estimate)
