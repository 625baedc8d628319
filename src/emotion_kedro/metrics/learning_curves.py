"""How many real rows added text is equivalent to: an arm's accuracy, looked up on the curve of real rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emotion_kedro.config.base import ALL_ROWS
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.bootstrap import Resampled, mean_over_runs, resample
from emotion_kedro.metrics.comparison import paired
from emotion_kedro.metrics.runs import BASELINE, Design, Runs, runs_of

REAL = "real"
"""The arm of real rows alone."""


def equivalent_real_rows(
    predictions: pd.DataFrame, groups: pd.Series | None, evaluation: EvaluationConfig
) -> pd.DataFrame:
    """Return for each other arm, learner and size with how many real rows per label arm ``real`` is as accurate.

    The curve is ``real``'s mean accuracy by size, made to rise (isotonic regression) and linear in log size between
    sizes. Every resample draws the same test rows, data seeds and runs for the arm and for the whole curve.

    Args:
        predictions: schema ``Predictions``, of one experiment.
        groups: near-duplicate group by ``record_id``. None: rows are resampled.
        evaluation: resamples, level, seed.

    Returns:
        ``arm, learner, size, accuracy, rows, low, high``, real rows per label as the design asks for them; 0 and
        infinity stand for below and above the curve. No rows where ``real`` was run at fewer than two sizes.

    Raises:
        ValueError: if an arm shares no seeds with ``real`` or was tested on other rows.
    """
    designs = {design: runs for design, runs in runs_of(predictions).items() if design.size != ALL_ROWS}
    values = {design: resample(runs, ["accuracy"], groups, evaluation)["accuracy"] for design, runs in designs.items()}
    rows = []
    for learner in dict.fromkeys(design.learner for design in designs):
        curve = [design for design in designs if design.learner == learner and design.arm == REAL]
        arms = [design for design in designs if design.learner == learner and design.arm not in (REAL, BASELINE)]
        if len(curve) > 1:
            rows += _equivalents(arms, sorted(curve), designs, values, evaluation)
    return pd.DataFrame(rows, columns=["arm", "learner", "size", "accuracy", "rows", "low", "high"])


def _equivalents(
    arms: Sequence[Design],
    curve: Sequence[Design],
    designs: Mapping[Design, Runs],
    values: Mapping[Design, Resampled],
    evaluation: EvaluationConfig,
) -> list[dict[str, object]]:
    heights: dict[tuple[tuple[int, int], ...], NDArray[np.float64]] = {}
    rows = []
    for arm in arms:
        shared = [paired(designs[arm], designs[point])[0].keys for point in curve]
        keys = tuple(key for key in shared[0] if all(key in others for others in shared))
        if keys not in heights:
            points = [_accuracies(designs[point], values[point], keys, evaluation) for point in curve]
            heights[keys] = rising(np.stack(points, axis=1))
        accuracies = _accuracies(designs[arm], values[arm], keys, evaluation)
        equal = equal_sizes(accuracies, heights[keys], [point.size for point in curve])
        rows.append({**arm._asdict(), "accuracy": float(accuracies[0]), **_interval(equal, evaluation.level)})
    return rows


def _interval(equal: NDArray[np.float64], level: float) -> dict[str, float]:
    # Quantiles that are one of the values: a mean of two is not defined between finite and infinite ones.
    low = np.quantile(equal[1:], (1 - level) / 2, method="lower")
    high = np.quantile(equal[1:], (1 + level) / 2, method="higher")
    return {"rows": float(equal[0]), "low": float(low), "high": float(high)}


def _accuracies(
    runs: Runs, values: Resampled, keys: Sequence[tuple[int, int]], evaluation: EvaluationConfig
) -> NDArray[np.float64]:
    """Return the mean accuracy over some runs, on all rows and then on each resample, (1 + B,)."""
    chosen = [runs.keys.index(key) for key in keys]
    some = Resampled(values.estimate[chosen], values.samples[:, chosen])
    return np.concatenate([[some.estimate.mean()], mean_over_runs(some, runs.data_seeds[chosen], evaluation)])


def rising(curves: ArrayLike) -> NDArray[np.float64]:
    """Return curves (curves, sizes) made to rise from size to size: the nearest that do, in squares."""
    from sklearn.isotonic import isotonic_regression

    fitted = np.asarray(curves, dtype=np.float64).copy()
    # Most curves rise as they are.
    for row in np.flatnonzero((np.diff(fitted, axis=1) < 0).any(axis=1)):
        fitted[row] = isotonic_regression(fitted[row])
    return fitted


def equal_sizes(accuracies: ArrayLike, curves: ArrayLike, sizes: Sequence[float]) -> NDArray[np.float64]:
    """Return the size at which each rising curve (curves, sizes) reaches each accuracy (curves,), linear in log size.

    Where a curve stays level at that accuracy, the smallest such size; 0 below the curve, infinity above it.
    """
    wanted, heights = np.asarray(accuracies, dtype=np.float64), np.asarray(curves, dtype=np.float64)
    first = (heights < wanted[:, np.newaxis]).sum(axis=1)  # the first size that reaches it
    right = np.clip(first, 1, len(sizes) - 1)
    every = np.arange(len(heights))
    low, high = heights[every, right - 1], heights[every, right]
    share = np.divide(wanted - low, high - low, out=np.zeros_like(wanted), where=high > low)
    row_counts = np.asarray(sizes, dtype=np.float64)
    # Linear in log size: from one size to the next by a power of their ratio.
    between = row_counts[right - 1] * (row_counts[right] / row_counts[right - 1]) ** np.clip(share, 0, 1)
    return np.where(wanted < heights[:, 0], 0.0, np.where(first == len(sizes), np.inf, between))
