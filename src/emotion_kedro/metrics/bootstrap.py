"""The bootstrap: intervals over test rows, data seeds and training seeds together.

Every resample draws whole groups of near-duplicate test rows and, independently, data seeds and, within each one drawn,
training seeds, all with replacement: the Multi-Bootstrap (Sellam et al. 2021, arXiv 2106.16163) with clusters and two
levels of seeds. The interval so speaks for other test rows *and* other training runs. Designs that were run with the
same seeds on the same rows see the same resamples, so that their differences are paired.

Limits. With one seed the interval knows nothing of training noise. With few data seeds it is too narrow: in simulation
5 data seeds of two runs each brought 95 % down to 83 % where data seeds were all that varied, and to 92 % where
training seeds and test rows each gave about half as much spread. A label with a handful of rows is missing from some
resamples, where its F1 is 0: that pulls the low end of macro-F1 down on small test sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import sparse, stats

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.losses import losses_of
from emotion_kedro.metrics.runs import Runs

Floats = NDArray[np.float64]
VALUES_AT_ONCE = 20_000_000
"""Numbers of a product held at once: 80 MB in single precision."""
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Metric:
    """A metric that needs only sums over rows, so that a resample is one row of counts times a table."""

    of_rows: Callable[[Runs, int, int], NDArray[np.float32]]
    """From the runs, the number of one of them and the bins of the calibration error to what is summed, (n, k)."""
    of_totals: Callable[[Floats, Floats], Floats]
    """From those sums (..., k) and the number of rows (...) to the metric (...)."""
    needs_probabilities: bool = False


def _one_hot(numbers: NDArray[np.int64], width: int) -> NDArray[np.float32]:
    # A number beyond the width (an answer that names no label) is a row of zeros.
    return (numbers[:, np.newaxis] == np.arange(width)).astype(np.float32)


def _hits(runs: Runs, run: int, bins: int) -> NDArray[np.float32]:
    return (runs.predicted[run] == runs.truth).astype(np.float32)[:, np.newaxis]


def _label_counts(runs: Runs, run: int, bins: int) -> NDArray[np.float32]:
    true, predicted = (_one_hot(each, len(runs.labels)) for each in (runs.truth, runs.predicted[run]))
    return np.concatenate([true * predicted, true + predicted], axis=1)


def _label_f1(totals: Floats, rows: Floats) -> Floats:
    hits, counted = np.split(totals, 2, axis=-1)
    # A label neither true nor predicted has F1 0: with no hits any divisor will do.
    return np.asarray(2 * hits / np.maximum(counted, 1))


def _macro_f1(totals: Floats, rows: Floats) -> Floats:
    return np.asarray(_label_f1(totals, rows).mean(axis=-1))


def _confidence_gaps(runs: Runs, run: int, bins: int) -> NDArray[np.float32]:
    given = runs.probabilities[run]
    confidence = given.max(axis=1)
    member = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    gap = confidence - (given.argmax(axis=1) == runs.truth)
    return (_one_hot(member, bins) * gap[:, np.newaxis]).astype(np.float32)


def _losses(runs: Runs, run: int, bins: int) -> NDArray[np.float32]:
    given = runs.probabilities[run, np.arange(len(runs.truth)), runs.truth]
    return losses_of(given).astype(np.float32)[:, np.newaxis]


def _mean(totals: Floats, rows: Floats) -> Floats:
    return totals[..., 0] / rows


METRICS: dict[str, Metric] = {
    "accuracy": Metric(_hits, _mean),
    "macro_f1": Metric(_label_counts, _macro_f1),
    "ece": Metric(_confidence_gaps, lambda totals, rows: np.abs(totals).sum(axis=-1) / rows, needs_probabilities=True),
    "log_loss": Metric(_losses, _mean, needs_probabilities=True),
}
"""Metric by name. ``ece``: Guo et al. 2017 (arXiv 1706.04599), equation 3, biased upwards on few rows. ``log_loss``:
in nats; a true label given probability 0 costs -log(machine epsilon), about 36."""


LABEL_F1 = Metric(_label_counts, _label_f1)
"""F1 of each label, of which :func:`resample_labels` makes a metric each."""


@dataclass(frozen=True)
class Resampled:
    """A metric of each of S runs, or the difference of two designs' runs."""

    estimate: Floats
    """(S,), on all rows."""
    samples: Floats
    """(B, S), on each resample of the rows; (0, S) where there is but one cluster to draw from."""

    def __sub__(self, other: Resampled) -> Resampled:
        """Return the gain of each run over the same run of another design."""
        return Resampled(self.estimate - other.estimate, self.samples - other.samples)


@dataclass(frozen=True)
class Interval:
    """An estimate with its percentile interval; the ends are NaN where nothing can be resampled."""

    estimate: float
    low: float
    high: float
    error: float = np.nan
    """Standard error, where it is known."""


def resample(
    runs: Runs,
    metrics: Sequence[str] | Mapping[str, Metric],
    groups: pd.Series | None,
    evaluation: EvaluationConfig,
) -> dict[str, Resampled]:
    """Return each metric of each run, on all rows and on resamples of them.

    Args:
        runs: S runs on n rows.
        metrics: names in :data:`METRICS`, or others by name.
        groups: near-duplicate group of each ``record_id``; whole groups are drawn. None, or a negative group: rows are.
        evaluation: number of resamples, bins and seed.

    Returns:
        By name; NaN throughout where a metric is not defined: macro-F1 without test rows of a label, and what needs
        probabilities where there are none (free answers).

    Raises:
        ValueError: if a test row has no group.
    """
    member = clusters_of(runs.record_ids, groups)
    sizes = np.bincount(member)
    counts = row_counts(len(sizes), evaluation.bootstrap_samples if len(sizes) > 1 else 0, evaluation.seed)
    rows = np.concatenate([[len(member)], counts @ sizes]).astype(np.float64)
    functions = metrics if isinstance(metrics, Mapping) else {name: METRICS[name] for name in metrics}
    return {
        name: _resample_metric(runs, metric, name, member, counts, rows, evaluation)
        for name, metric in functions.items()
    }


def resample_labels(runs: Runs, groups: pd.Series | None, evaluation: EvaluationConfig) -> list[Resampled]:
    """Return the F1 of each label, in the order of ``runs.labels``, of each run; arguments as in :func:`resample`."""
    values = resample(runs, {"f1": LABEL_F1}, groups, evaluation)["f1"]
    return [Resampled(values.estimate[:, label], values.samples[..., label]) for label in range(len(runs.labels))]


def _resample_metric(
    runs: Runs,
    metric: Metric,
    name: str,
    member: NDArray[np.int64],
    counts: NDArray[np.int16],
    rows: Floats,
    evaluation: EvaluationConfig,
) -> Resampled:
    if not _defined(runs, metric, name):
        return Resampled(np.full(len(runs.predicted), np.nan), np.full((len(counts), len(runs.predicted)), np.nan))
    bins = evaluation.calibration_bins
    tables = np.stack([metric.of_rows(runs, run, bins) for run in range(len(runs.predicted))], axis=1)
    sums = _sum_by_cluster(tables.reshape(len(member), -1), member)
    totals = np.concatenate([sums.sum(axis=0, keepdims=True), _products(counts, sums)]).astype(np.float64)
    values = metric.of_totals(totals.reshape(len(rows), *tables.shape[1:]), rows[:, np.newaxis])
    return Resampled(values[0], values[1:])


def _defined(runs: Runs, metric: Metric, name: str) -> bool:
    if name == "macro_f1":
        # Over labels of which a source has no rows, the mean would count each of them as 0.
        return len(np.unique(runs.truth)) == len(runs.labels)
    return not metric.needs_probabilities or has_probabilities(runs)


def has_probabilities(runs: Runs) -> bool:
    """Whether every row holds a distribution over the labels, and not the zeros of a free answer."""
    return bool((np.abs(runs.probabilities.sum(axis=-1) - 1) <= SUM_TOLERANCE).all())


def _sum_by_cluster(values: NDArray[np.float32], member: NDArray[np.int64]) -> NDArray[np.float32]:
    ones = np.ones(len(member), dtype=np.float32)
    return np.asarray(sparse.csr_array((ones, (member, np.arange(len(member))))) @ values)


def _products(counts: NDArray[np.int16], table: NDArray[np.float32]) -> NDArray[np.float32]:
    # Single precision is exact for counts, near enough for losses, and twice as quick.
    step = max(1, VALUES_AT_ONCE // max(1, len(table)))
    parts = [counts[start : start + step].astype(np.float32) @ table for start in range(0, len(counts), step)]
    return np.concatenate(parts) if parts else np.empty((0, table.shape[1]), dtype=np.float32)


def clusters_of(record_ids: NDArray[np.object_], groups: pd.Series | None) -> NDArray[np.int64]:
    """Return the number of each row's cluster, (n,): its group, or itself where it has none.

    Raises:
        ValueError: if a row is not in ``groups``.
    """
    if groups is None:
        return np.arange(len(record_ids))
    numbers = groups.reindex(record_ids).to_numpy(dtype=np.float64)
    if np.isnan(numbers).any():
        missing = record_ids[np.isnan(numbers)][0]
        raise ValueError(f"test row {missing!r} is not among the split records; run the experiment again from sampling")
    alone = numbers < 0
    numbers[alone] = numbers.max(initial=0) + 1 + np.arange(alone.sum())
    return np.unique(numbers, return_inverse=True)[1].astype(np.int64)


@lru_cache(maxsize=8)
def row_counts(clusters: int, samples: int, seed: int) -> NDArray[np.int16]:
    """Return how often each resample draws each cluster, (samples, clusters); the same for the same arguments."""
    random = np.random.default_rng([seed, 0])
    counts = np.empty((samples, clusters), dtype=np.int16)
    for sample in range(samples):
        counts[sample] = np.bincount(random.integers(clusters, size=clusters), minlength=clusters)
    return counts


def picked_runs(data_seeds: ArrayLike, samples: int, seed: int) -> NDArray[np.int64]:
    """Return the numbers of the runs that each resample draws, (samples, S).

    Data seeds are drawn, then as many runs of each as it has. Taking runs on the same training rows for independent
    would say that the training rows were drawn more often than they were.

    Raises:
        ValueError: if the data seeds have different numbers of runs.
    """
    names = np.asarray(data_seeds)
    member, sizes = np.unique(names, return_inverse=True, return_counts=True)[1:]
    if len(set(sizes.tolist())) > 1:
        raise ValueError(f"the data seeds have {sizes.tolist()} runs; give each data seed the same training seeds")
    drawn, within = len(sizes), int(sizes[0])
    members = np.argsort(member, kind="stable").reshape(drawn, within)
    # Streams of their own: the draw of the seeds does not move when the number of rows changes.
    outer = np.random.default_rng([seed, 1]).integers(drawn, size=(samples, drawn))
    inner = np.random.default_rng([seed, 2]).integers(within, size=(samples, drawn, within))
    return np.asarray(members[outer[:, :, np.newaxis], inner].reshape(samples, len(names)))


def mean_over_runs(values: Resampled, data_seeds: ArrayLike, evaluation: EvaluationConfig) -> Floats:
    """Return the mean over runs on each resample of rows and runs, (B,)."""
    picked = picked_runs(data_seeds, len(values.samples), evaluation.seed)
    return np.asarray(np.take_along_axis(values.samples, picked, axis=1).mean(axis=1))


def interval(values: Resampled, data_seeds: ArrayLike, evaluation: EvaluationConfig) -> Interval:
    """Return the mean over runs with its percentile interval."""
    estimate = float(values.estimate.mean())
    if not len(values.samples) or np.isnan(estimate):
        return Interval(estimate, np.nan, np.nan)
    means = mean_over_runs(values, data_seeds, evaluation)
    # A resample may lack what a share is of: answers, where few are given.
    low, high = np.nanquantile(means, [(1 - evaluation.level) / 2, (1 + evaluation.level) / 2])
    return Interval(estimate, float(low), float(high), float(np.nanstd(means)))


def error_interval(values: Resampled, data_seeds: ArrayLike, evaluation: EvaluationConfig) -> Interval:
    """Return the mean over runs of a calibration error, with its interval.

    Each bin's distance counts, on whichever side it lies, so that the noise of a resample adds to it. The percentile
    interval is moved down by as much as resamples are above the estimate, which may else lie outside; to 0 at most.
    It says how far the figure would vary. It is none of the error in truth: the noise of the rows themselves is in
    the estimate (that of a classifier without any error is some .06 with 300 rows), and so in the interval.
    """
    percentile = interval(values, data_seeds, evaluation)
    if np.isnan(percentile.low):
        return percentile
    above = float(mean_over_runs(values, data_seeds, evaluation).mean()) - percentile.estimate
    low, high = (max(0.0, bound - above) for bound in (percentile.low, percentile.high))
    return replace(percentile, low=low, high=high)


def share_interval(
    values: Resampled,
    data_seeds: ArrayLike,
    evaluation: EvaluationConfig,
    record_ids: NDArray[np.object_],
    groups: pd.Series | None,
) -> Interval:
    """Return the interval of a share of rows: the bootstrap's, but Wilson's (1927) where the share is 0 or 1.

    All resamples agree then, and theirs would have no width, however few the rows are. Near-duplicates
    count as one row, and runs on the same rows as one run: it is rather too wide than too narrow.
    """
    percentile = interval(values, data_seeds, evaluation)
    if percentile.estimate not in {0.0, 1.0} or percentile.low != percentile.high:
        return percentile
    count = int(clusters_of(record_ids, groups).max()) + 1
    wilson = stats.binomtest(round(percentile.estimate * count), count).proportion_ci(evaluation.level, "wilson")
    # It ends at the share itself, but for what rounding leaves.
    low, high = (0.0, wilson.high) if percentile.estimate == 0.0 else (wilson.low, 1.0)
    return Interval(percentile.estimate, float(low), float(high))
