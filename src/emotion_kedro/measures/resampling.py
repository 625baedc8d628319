"""Intervals of any statistic of rows and training seeds: more general than those of `intervals`, and slower.

Also two figures that need no truth among the emotions: AUC for another label, and entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotion_kedro.measures.intervals import Interval

Statistic = Callable[[NDArray[np.int64], NDArray[np.int64]], float]
"""From the numbers of the rows and of the seeds that were drawn to a figure; NaN where the draw has none."""


def bootstrap_statistic(
    statistic: Statistic,
    rows: int,
    *,
    seeds: int = 1,
    groups: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return a statistic with its percentile interval over rows and training seeds together.

    As in :func:`emotion_kedro.measures.intervals.bootstrap_score`, every resample draws rows (or whole groups) and,
    independently, seeds with replacement. To compare two arms, let ``statistic`` return the difference on the same
    draw; to compare two sets of rows, number them through and name the set of each in ``strata``.

    Args:
        statistic: what is estimated.
        rows: number of rows.
        seeds: number of training seeds.
        groups: group of each row, (rows,); rows of a group are drawn together (cluster bootstrap).
        strata: set of each row, (rows,); each set is resampled by itself. A group lies in one of them.
        samples: resamples. Those that have no figure (AUC of a draw with one class) are left out.
        level: of the interval.
        seed: of the resampling.

    Raises:
        ValueError: for fewer than two rows or groups in a set, or shapes that do not fit, or samples that have no
            figure at all.
    """
    sets = _members(groups, strata, rows)
    random = np.random.default_rng(seed)
    values = []
    for _ in range(samples):
        picked = np.concatenate([clusters.draw(random) for clusters in sets])
        values.append(statistic(picked, random.integers(seeds, size=seeds)))
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    estimate = statistic(np.arange(rows), np.arange(seeds))
    if not len(known) or np.isnan(estimate):
        raise ValueError("the statistic has no figure on these rows")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(estimate), float(low), float(high), level, samples)


def bootstrap_mean(
    values: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Return the mean of ``values``, (S, n) for S seeds or (n,) for one, with its interval.

    Method, options and errors are those of :func:`bootstrap_statistic`.
    """
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))

    def mean(rows: NDArray[np.int64], seeds: NDArray[np.int64]) -> float:
        return float(table[np.ix_(seeds, rows)].mean())

    return bootstrap_statistic(
        mean, table.shape[1], seeds=len(table), groups=groups, samples=samples, level=level, seed=seed
    )


def auc(positive: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve: how often a positive row scores above another one, ties counting half.

    Args:
        positive: truth of each row, (n,).
        scores: (n,), higher speaks for positive.

    Returns:
        In 0..1, .5 by chance; NaN where all rows are of one class.
    """
    truth, score = np.asarray(positive, dtype=bool), np.asarray(scores, dtype=np.float64)
    ahead, others = int(truth.sum()), int((~truth).sum())
    if not ahead or not others:
        return float("nan")
    _, place, tied = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(tied) - (tied - 1) / 2)[place]
    return float((ranks[truth].sum() - ahead * (ahead + 1) / 2) / (ahead * others))


def entropy(shares: ArrayLike) -> NDArray[np.float64]:
    """Return the entropy of distributions (..., L) as a share of the largest there can be: 0 for one label, 1 for all.

    Rows need not add up to 1; they are divided by their sum.
    """
    table = np.asarray(shares, dtype=np.float64)
    table = table / table.sum(axis=-1, keepdims=True)
    logs = np.log(table, out=np.zeros_like(table), where=table > 0)
    return np.asarray(-(table * logs).sum(axis=-1) / np.log(table.shape[-1]))


@dataclass(frozen=True)
class _Clusters:
    """The rows of one set, those of a group beside each other."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def draw(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the rows of as many groups as there are, drawn with replacement."""
        picked = random.integers(len(self.sizes), size=len(self.sizes))
        sizes = self.sizes[picked]
        ends = np.cumsum(sizes)
        # Place in the draw -> place in rows, for all groups at once: tens of thousands of them in a millisecond.
        shift = np.repeat(self.starts[picked] - (ends - sizes), sizes)
        found: NDArray[np.int64] = self.rows[shift + np.arange(ends[-1])]
        return found


def _members(groups: ArrayLike | None, strata: ArrayLike | None, rows: int) -> list[_Clusters]:
    """Return for each set the rows of each of its groups."""
    names = np.arange(rows) if groups is None else np.asarray(groups)
    sets = np.zeros(rows, dtype=np.int64) if strata is None else np.asarray(strata)
    if names.shape != (rows,) or sets.shape != (rows,):
        raise ValueError(f"groups {names.shape} and strata {sets.shape} have to name one for each of the {rows} rows")
    found = []
    for name in np.unique(sets):
        inside = np.flatnonzero(sets == name)
        _, member = np.unique(names[inside], return_inverse=True)
        sizes = np.bincount(member)
        found.append(_Clusters(inside[np.argsort(member, kind="stable")], np.cumsum(sizes) - sizes, sizes))
    if any(len(clusters.sizes) < 2 for clusters in found):
        raise ValueError("at least two rows or groups are needed in each set")
    return found
