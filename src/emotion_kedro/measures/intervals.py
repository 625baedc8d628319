"""Intervals around scores and differences of scores, over test rows and training seeds together.

Throughout, `S` training seeds were tested on `n` rows of `L` labels, in `G` clusters. `bootstrap_score` and
`paired_bootstrap` answer one question each. Who compares many arms takes the two steps apart: `score_runs` once for
each arm, `mean_over_seeds` once for each comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Metric = Literal["accuracy", "macro_f1", "ece"]
METRICS: tuple[Metric, ...] = ("accuracy", "macro_f1")
"""What needs no more than the classes that were predicted; `ece` needs the confidence in them as well."""
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


@dataclass(frozen=True)
class RunScores:
    """One metric of each of S runs, or the difference of two arms' runs: on all rows, and on resamples of them."""

    estimate: NDArray[np.float64]
    """(S,), on all rows."""
    resampled: NDArray[np.float64]
    """(samples, S), on the same resamples of the rows for every run."""

    def __sub__(self, other: RunScores) -> RunScores:
        """The gain of each run over the same run of another arm, which saw the same resamples."""
        return RunScores(self.estimate - other.estimate, self.resampled - other.resampled)


def bootstrap_score(
    truth: ArrayLike,
    predicted: ArrayLike,
    labels_count: int,
    metric: Metric,
    *,
    groups: ArrayLike | None = None,
    seed_groups: ArrayLike | None = None,
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

    `seed_groups` (S,) names the data seed of each run: runs on the same training rows that differ in their
    initialisation alone belong together. A resample then draws data seeds with replacement and, within each one
    drawn, as many of its runs as it has (two levels). Taking such runs for independent would say that the training
    rows were drawn more often than they were.

    Three limits. With one seed the interval knows nothing of training noise; with S seeds the bootstrap sees
    (S - 1) / S of its variance, so with few seeds that differ a lot the interval is too narrow (in
    simulation 3 such seeds brought 95 % down to some 87 %). With `seed_groups` that goes for data seeds: 5 of
    two runs each brought 95 % down to 83 % where data seeds were all that varied, and to 92 % where initialisation and
    test rows each gave about half as much spread; without `seed_groups`, to 71 % and 90 %. And a label with a handful
    of rows is missing from some resamples, where its F1 is 0: on small test sets that pulls the low end of macro-F1
    down.

    Raises ValueError for shapes that do not fit, class numbers out of range, fewer than two rows or groups,
    data seeds with different numbers of runs, an unknown metric, or `samples` or `level` out of range.
    """
    scores = score_runs(truth, predicted, labels_count, [metric], groups=groups, samples=samples, seed=seed)[metric]
    return interval_of(scores, mean_over_seeds(scores, seed=seed, seed_groups=seed_groups), level)


def paired_bootstrap(
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    labels_count: int,
    metric: Metric,
    *,
    groups: ArrayLike | None = None,
    seed_groups: ArrayLike | None = None,
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
    _checked(truth, [first, second], labels_count)
    before, after = (
        score_runs(truth, arm, labels_count, [metric], groups=groups, samples=samples, seed=seed)[metric]
        for arm in (first, second)
    )
    gain = after - before
    return interval_of(gain, mean_over_seeds(gain, seed=seed, seed_groups=seed_groups), level)


def score_runs(
    truth: ArrayLike,
    predicted: ArrayLike,
    labels_count: int,
    metrics: Sequence[Metric] = METRICS,
    *,
    confidence: ArrayLike | None = None,
    bins: int = 15,
    groups: ArrayLike | None = None,
    samples: int = 2000,
    seed: int = 0,
) -> dict[Metric, RunScores]:
    """Each metric of each run, on all rows and on `samples` resamples of the rows (or `groups`).

    Calls with the same `samples`, `seed`, rows and groups draw the same resamples: the scores of two arms may be
    subtracted. Arguments and errors are those of `bootstrap_score`; the metric `ece`, the expected calibration error
    of `scores.expected_calibration_error`, needs `confidence` (S, n), the highest probability of each row, and the
    number of its `bins`. A resample of few rows has a larger error than all rows have, so that its interval lies
    somewhat high; in the difference of two arms that falls away for the most part.
    """
    rows, (runs,) = _checked(truth, [predicted], labels_count)
    _check_options(metrics, samples)
    member = clusters_of(groups, len(rows))
    tables = [_counts(rows, runs, labels_count, member)]
    if "ece" in metrics:
        tables.append(_gaps(rows, runs, confidence, member, bins))
    totals, resampled = [table.sum(axis=0) for table in tables], _resampled(tables, metrics, samples, seed)
    return {metric: RunScores(_metric(totals, metric), resampled[metric]) for metric in metrics}


def mean_over_seeds(scores: RunScores, *, seed: int = 0, seed_groups: ArrayLike | None = None) -> NDArray[np.float64]:
    """The mean over seeds on each resample, (samples,), the seeds resampled too: see `bootstrap_score`.

    The draw depends on `seed` and on the number of runs of each data seed alone: arms that were run with the same
    seeds see the same draws.
    """
    samples, runs = scores.resampled.shape
    picked = picked_runs(samples, runs, seed, seed_groups)
    means: NDArray[np.float64] = np.take_along_axis(scores.resampled, picked, axis=1).mean(axis=1)
    return means


def interval_of(scores: RunScores, means: NDArray[np.float64], level: float) -> Interval:
    """The percentile interval of the mean over seeds, from `mean_over_seeds`.

    Raises ValueError for a `level` outside 0..1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level {level}; a level in (0, 1) is needed")
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(scores.estimate.mean()), float(low), float(high), level, len(means))


def difference_p_value(means: ArrayLike) -> float:
    """Two-sided bootstrap p-value of a difference, from its value on each resample (samples,).

    Twice the share of resamples on the rarer side of zero, those at zero on both, with one added to the resamples
    and to those counted (Davison and Hinkley 1997, Bootstrap Methods and their Application, section 4.4): it is never
    0, and falls below 1 - level about where the percentile interval leaves zero out. It shares the interval's limits:
    with few seeds it is somewhat too small.
    """
    values = np.asarray(means, dtype=np.float64)
    rarer = min(int((values <= 0).sum()), int((values >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(values) + 1))


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


def _check_options(metrics: Sequence[str], samples: int) -> None:
    for metric in metrics:
        if metric not in get_args(Metric):
            raise ValueError(f"metric is {metric!r}; one of {list(get_args(Metric))} is needed")
    if samples < 2:
        raise ValueError(f"samples is {samples}; at least 2 are needed")


def clusters_of(groups: ArrayLike | None, rows: int) -> NDArray[np.int64]:
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


def _gaps(
    truth: NDArray[np.int64],
    predicted: NDArray[np.int64],
    confidence: ArrayLike | None,
    member: NDArray[np.int64],
    bins: int,
) -> NDArray[np.float64]:
    """Sum of confidence minus rows hit, for each cluster, run and bin of confidence: (G, runs, bins).

    The calibration error is the sum over bins of the absolute totals, divided by the rows.
    """
    sure = np.asarray(confidence if confidence is not None else [], dtype=np.float64)
    if sure.shape != predicted.shape or bins < 1:
        raise ValueError(
            f"confidence has shape {sure.shape}, bins is {bins}; {predicted.shape} and at least 1 are needed"
        )
    clusters = int(member.max()) + 1
    places = np.digitize(sure, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    runs = [
        np.bincount(member * bins + place, weights=values, minlength=clusters * bins).reshape(clusters, bins)
        for place, values in zip(places, sure - (predicted == truth), strict=True)
    ]
    return np.stack(runs, axis=1)


def _metric(totals: Sequence[NDArray[np.float64]], metric: Metric) -> NDArray[np.float64]:
    """From totals, (..., 3, L) of rows hit, predicted and true and (..., bins) of gaps, to the metric (...)."""
    hit, predicted, true = np.moveaxis(totals[0], -2, 0)
    if metric == "ece":
        return np.asarray(np.abs(totals[1]).sum(axis=-1) / true.sum(axis=-1))
    if metric == "accuracy":
        return np.asarray(hit.sum(axis=-1) / true.sum(axis=-1))
    # A label neither true nor predicted has F1 0, as in `scores.score`: with no hits, any divisor will do.
    return np.asarray((2 * hit / np.maximum(predicted + true, 1)).mean(axis=-1))


def drawn_weights(clusters: int, samples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """How often each resample draws each cluster, (resamples, clusters), a part of the resamples at a time."""
    random = np.random.default_rng([seed, 0])
    chunk = max(1, WEIGHTS_IN_MEMORY // clusters)
    for start in range(0, samples, chunk):
        draws = min(chunk, samples - start)
        picked = random.integers(clusters, size=(draws, clusters))
        # Each resample counts in its own range of numbers, so that one bincount serves them all.
        cells = (picked + clusters * np.arange(draws)[:, np.newaxis]).ravel()
        yield np.bincount(cells, minlength=draws * clusters).reshape(draws, clusters).astype(np.float64)


def _resampled(
    tables: Sequence[NDArray[np.float64]], metrics: Sequence[Metric], samples: int, seed: int
) -> dict[Metric, NDArray[np.float64]]:
    """Each metric of each run on each resample of the clusters: (samples, runs)."""
    values: dict[Metric, list[NDArray[np.float64]]] = {metric: [] for metric in metrics}
    flat = [table.reshape(len(table), -1) for table in tables]
    for weights in drawn_weights(len(tables[0]), samples, seed):
        totals = [
            (weights @ columns).reshape(len(weights), *table.shape[1:])
            for columns, table in zip(flat, tables, strict=True)
        ]
        for metric in metrics:
            values[metric].append(_metric(totals, metric))
    return {metric: np.concatenate(parts) for metric, parts in values.items()}


def picked_runs(samples: int, runs: int, seed: int, seed_groups: ArrayLike | None) -> NDArray[np.int64]:
    """The numbers of the runs that each resample draws: (samples, runs)."""
    names = np.arange(runs) if seed_groups is None else np.asarray(seed_groups)
    if names.shape != (runs,):
        raise ValueError(f"seed_groups have shape {names.shape}; one for each of the {runs} runs is needed")
    member, sizes = np.unique(names, return_inverse=True, return_counts=True)[1:]
    if len(set(sizes.tolist())) > 1:
        raise ValueError(f"the data seeds have {sizes.tolist()} runs; the same number of each is needed")
    drawn, within = len(sizes), int(sizes[0])
    members = np.argsort(member, kind="stable").reshape(drawn, within)
    # Streams of their own: the draw of the seeds does not move when the number of rows changes.
    outer = np.random.default_rng([seed, 1]).integers(drawn, size=(samples, drawn))
    inner = np.random.default_rng([seed, 2]).integers(within, size=(samples, drawn, within))
    return np.asarray(members[outer[:, :, np.newaxis], inner].reshape(samples, runs))
