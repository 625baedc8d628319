"""Intervals of any statistic, on the resamples of :mod:`emotion_kedro.metrics.bootstrap`: more general, and slower."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.bootstrap import Interval, picked_runs, row_counts

Statistic = Callable[[NDArray[np.int64], NDArray[np.int64]], float]
"""From the numbers of the rows and of the seeds that were drawn to a figure; NaN where the draw has none."""


def interval_of(
    statistic: Statistic,
    groups: ArrayLike,
    evaluation: EvaluationConfig,
    *,
    seeds: int = 1,
    strata: ArrayLike | None = None,
) -> Interval:
    """Return a statistic of n rows and S seeds with its percentile interval over both.

    To compare two arms, let ``statistic`` return the difference on the same draw; to compare two sets of rows, number
    them through and name the set of each in ``strata``.

    Args:
        statistic: what is estimated.
        groups: group of each row, (n,); rows of a group are drawn together.
        evaluation: resamples, level, seed.
        seeds: number of seeds.
        strata: set of each row, (n,); each set is resampled by itself. A group lies in one of them.

    Returns:
        Ends are NaN where a set has fewer than two groups, all are NaN where the statistic has no value. Resamples
        without a value (AUC of a draw with one class) are left out.
    """
    names = np.asarray(groups)
    rows = np.arange(len(names))
    estimate = statistic(rows, np.arange(seeds)) if len(rows) else float("nan")
    sets = _sets(names, np.zeros(len(names)) if strata is None else np.asarray(strata))
    if np.isnan(estimate) or any(member.max() == 0 for _, member in sets):
        return Interval(float(estimate), np.nan, np.nan)
    samples = evaluation.bootstrap_samples
    # Sets of equally many groups are not drawn alike.
    counts = [
        row_counts(int(member.max()) + 1, samples, evaluation.seed + place) for place, (_, member) in enumerate(sets)
    ]
    runs = picked_runs(np.arange(seeds), samples, evaluation.seed)
    values = np.empty(samples)
    for sample in range(samples):
        drawn = [np.repeat(inside, counts[place][sample][member]) for place, (inside, member) in enumerate(sets)]
        values[sample] = statistic(np.concatenate(drawn), runs[sample])
    defined = values[~np.isnan(values)]
    if not len(defined):
        return Interval(float(estimate), np.nan, np.nan)
    low, high = np.quantile(defined, [(1 - evaluation.level) / 2, (1 + evaluation.level) / 2])
    return Interval(float(estimate), float(low), float(high))


def _sets(
    groups: NDArray[np.generic], strata: NDArray[np.generic]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return the rows of each set, and the number of each one's group."""
    rows = [np.flatnonzero(strata == name) for name in np.unique(strata)]
    return [(inside, np.unique(groups[inside], return_inverse=True)[1]) for inside in rows]


def mean_interval(values: ArrayLike, groups: ArrayLike, evaluation: EvaluationConfig) -> Interval:
    """Return the mean of ``values``, (S, n) for S seeds or (n,) for one, with its interval."""
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    return interval_of(
        lambda rows, seeds: float(table[np.ix_(seeds, rows)].mean()), groups, evaluation, seeds=len(table)
    )


def figure(interval: Interval) -> dict[str, float]:
    """Return ``value``, ``low`` and ``high``, as tables have them."""
    return {"value": interval.estimate, "low": interval.low, "high": interval.high}
