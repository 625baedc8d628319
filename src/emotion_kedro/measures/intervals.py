"""Intervals around scores and differences of scores, over test rows and training seeds together.

Throughout, `S` training seeds were tested on `n` rows of `L` labels, in `G` clusters.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Metric = Literal["accuracy", "macro_f1"]
METRICS: tuple[Metric, ...] = ("accuracy", "macro_f1")
WEIGHTS_IN_MEMORY = 4_000_000  # resampling weights held at once: 32 MB


@dataclass(frozen=True)
class Interval:
    """An estimate with a percentile interval that should cover the truth in a share `level` of repeats."""

    estimate: float
    low: float
    high: float
    level: float
    samples: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval; an end exactly at zero does not exclude it."""
        return self.low > 0 or self.high < 0

    def as_dict(self) -> dict[str, float]:
        """The fields by name, for a row of a table."""
        return asdict(self)


def bootstrap_score(
    truth: ArrayLike,
    predicted: ArrayLike,
    labels_count: int,
    metric: Metric,
    *,
    groups: ArrayLike | None = None,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of the mean over seeds of `metric`, for one arm trained with S seeds.

    `truth` (n,) and `predicted` (S, n) hold class numbers in 0..labels_count-1. Each of the `samples`
    resamples draws the test rows and, independently, the seeds with replacement, after the Multi-Bootstrap
    (Sellam et al. 2021, arXiv 2106.16163), so that the interval speaks for other test rows *and* other
    training runs. With `groups` (n,), whole groups of near-duplicate rows are drawn instead of rows
    (cluster bootstrap).

    Two limits. With one seed the interval knows nothing of training noise; with S seeds the bootstrap sees
    (S - 1) / S of its variance, so with few seeds that differ a lot the interval is too narrow (in
    simulation 3 such seeds brought 95 % down to some 87 %). And a label with a handful of rows is missing
    from some resamples, where its F1 is 0: on small test sets that pulls the low end of macro-F1 down.

    Raises ValueError for shapes that do not fit, class numbers out of range, fewer than two rows or groups,
    an unknown metric, or `samples` or `level` out of range.
    """
    rows, runs = _checked(truth, [predicted], labels_count)
    _check_options(metric, samples, level)
    counts = _counts(rows, runs[0], labels_count, _clusters(groups, len(rows)))
    estimate = _metric(counts.sum(axis=0), metric)
    return _interval(estimate, _resampled(counts, metric, samples, seed), level, seed)


def paired_bootstrap(
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    labels_count: int,
    metric: Metric,
    *,
    groups: ArrayLike | None = None,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of metric(second) - metric(first), for two arms with the same S seeds and test rows.

    `first` and `second` are (S, n), row s of both from the same seed. Every resample draws the same rows
    (or groups) and the same seeds for both, so that what makes a row or a seed hard for both arms cancels.
    Method, limits, options and errors are those of `bootstrap_score`; the two arms must have the same
    number of seeds.
    """
    rows, runs = _checked(truth, [first, second], labels_count)
    _check_options(metric, samples, level)
    counts = _counts(rows, np.concatenate(runs), labels_count, _clusters(groups, len(rows)))
    seeds = len(runs[0])
    estimate = _metric(counts.sum(axis=0), metric)
    resampled = _resampled(counts, metric, samples, seed)
    gain, resampled_gain = estimate[seeds:] - estimate[:seeds], resampled[:, seeds:] - resampled[:, :seeds]
    return _interval(gain, resampled_gain, level, seed)


def _checked(
    truth: ArrayLike, runs: list[ArrayLike], labels_count: int
) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    rows, arms = np.asarray(truth), [np.asarray(run) for run in runs]
    for arm in arms:
        if rows.ndim != 1 or arm.ndim != 2 or arm.shape != (len(arms[0]), len(rows)) or not len(arm):
            shapes = ", ".join(str(array.shape) for array in (rows, *arms))
            raise ValueError(f"shapes are {shapes}; truth (n,) and predictions (S, n), a row a seed, are needed")
    for array in (rows, *arms):
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"class numbers have type {array.dtype}; turn labels into whole numbers first")
        if array.size and (array.min() < 0 or array.max() >= labels_count):
            raise ValueError(f"class numbers run {array.min()}..{array.max()}; 0..{labels_count - 1} are needed")
    return rows.astype(np.int64), [arm.astype(np.int64) for arm in arms]


def _check_options(metric: str, samples: int, level: float) -> None:
    if metric not in METRICS:
        raise ValueError(f"metric is {metric!r}; one of {list(METRICS)} is needed")
    if samples < 2 or not 0 < level < 1:
        raise ValueError(f"samples is {samples} and level {level}; at least 2 samples and a level in (0, 1) are needed")


def _clusters(groups: ArrayLike | None, rows: int) -> NDArray[np.int64]:
    """The cluster number (n,) of each row: its group, or itself where there are no groups."""
    names = np.arange(rows) if groups is None else np.asarray(groups)
    if names.shape != (rows,):
        raise ValueError(f"groups have shape {names.shape}; one for each of the {rows} rows is needed")
    found, member = np.unique(names, return_inverse=True)
    if len(found) < 2:
        raise ValueError(f"{len(found)} rows or groups to draw from; at least two are needed")
    return member.astype(np.int64)


def _counts(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], labels: int, member: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Rows hit, predicted and true, for each cluster, run and label: (G, runs, 3, L).

    Both metrics need only sums of these over clusters, so a resample is one row of weights times this
    table.
    """
    clusters = int(member.max()) + 1

    def table(classes: NDArray[np.int64], rows: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        cells = np.bincount(member * labels + classes, weights=rows, minlength=clusters * labels)
        return cells.reshape(clusters, labels).astype(np.float64)

    true = table(truth)
    runs = [np.stack([table(truth, truth == guess), table(guess), true], axis=1) for guess in predicted]
    return np.stack(runs, axis=1)


def _metric(totals: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    """From totals (..., 3, L) of rows hit, predicted and true to the metric (...)."""
    hit, predicted, true = np.moveaxis(totals, -2, 0)
    if metric == "accuracy":
        return np.asarray(hit.sum(axis=-1) / true.sum(axis=-1))
    # A label neither true nor predicted has F1 0, as in `scores.score`: with no hits, any divisor will do.
    return np.asarray((2 * hit / np.maximum(predicted + true, 1)).mean(axis=-1))


def _resampled(counts: NDArray[np.float64], metric: Metric, samples: int, seed: int) -> NDArray[np.float64]:
    """The metric of each run on each resample of the clusters: (samples, runs)."""
    random = np.random.default_rng([seed, 0])
    clusters = len(counts)
    flat, chunk = counts.reshape(clusters, -1), max(1, WEIGHTS_IN_MEMORY // clusters)
    values = []
    for start in range(0, samples, chunk):
        draws = min(chunk, samples - start)
        picked = random.integers(clusters, size=(draws, clusters))
        # Each resample counts in its own range of numbers, so that one bincount serves them all.
        cells = (picked + clusters * np.arange(draws)[:, np.newaxis]).ravel()
        weights = np.bincount(cells, minlength=draws * clusters).reshape(draws, clusters)
        totals = (weights.astype(np.float64) @ flat).reshape(draws, *counts.shape[1:])
        values.append(_metric(totals, metric))
    return np.concatenate(values)


def _interval(estimate: NDArray[np.float64], resampled: NDArray[np.float64], level: float, seed: int) -> Interval:
    """From one value a seed, (S,) and (samples, S), to the interval of their mean, seeds resampled too."""
    samples, seeds = resampled.shape
    # A stream of its own: the draw of the seeds does not move when the number of rows changes.
    picked = np.random.default_rng([seed, 1]).integers(seeds, size=(samples, seeds))
    means = np.take_along_axis(resampled, picked, axis=1).mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(estimate.mean()), float(low), float(high), level, samples)
