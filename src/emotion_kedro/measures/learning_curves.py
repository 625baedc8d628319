"""How many real rows added text is worth: the accuracy of an arm, looked up on the curve of real rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emotion_kedro.measures.intervals import mean_over_seeds, score_runs
from emotion_kedro.measures.study import CellKey, CellRuns, cell_runs, groups_for, in_order, rows_of

BELOW, ABOVE = "below", "above"


def exchange(
    predictions: pd.DataFrame,
    cells: pd.DataFrame,
    labels: Sequence[str],
    *,
    groups: pd.Series | None = None,
    samples: int,
    level: float,
    seed: int,
    real: str = "real",
) -> list[dict[str, Any]]:
    """Return, for every other (arm, n), with how many real rows per label ``real`` alone gets the same accuracy.

    The curve is ``real``'s mean accuracy by n, made to rise (isotonic regression) and taken to be linear in log n
    between sizes, n being the real rows per label that there were: where labels run out of rows, these are fewer than
    were asked for. Every resample draws the same test rows, data seeds and runs for the arm and for the whole curve.

    Args:
        predictions: as for :func:`emotion_kedro.measures.study.measure_study`, as are the other arguments.
        cells: its ``added_rows`` are counted over all labels.
        labels: the taxonomy.
        groups: the near-duplicate group of each ``record_id``.
        samples: bootstrap samples.
        level: of the intervals.
        seed: of the bootstrap.
        real: the arm of real rows alone.

    Returns:
        ``arm, n, rows_per_label, accuracy, equal_to, beyond, added_rows, worth``. ``rows_per_label`` is the mean of
        the real rows. ``equal_to`` is an interval in real rows per label, None where the accuracy lies beyond the
        curve's ends (``beyond`` says ``below`` or ``above``); an end of the interval is None where it does.
        ``added_rows`` is per label; ``worth`` is how many real rows one added row is worth at the weight that it has,
        None where nothing was added or ``equal_to`` is None. Nothing at all where ``real`` was run at fewer than
        two n.
    """
    runs = in_order(cell_runs(predictions, labels), cells)
    asked = sorted(n for arm, n in runs if arm == real)
    if len(asked) < 2:
        return []
    sizes = [_rows_per_label(cells, (real, n), labels) for n in asked]
    options = {"groups": groups_for(runs, groups), "samples": samples, "seed": seed}
    means = {key: _accuracy_means(cell, options) for key, cell in runs.items()}
    curve = rising(np.stack([means[real, n] for n in asked], axis=1), sizes)
    rows = []
    for key, values in means.items():
        if key[0] != real:
            equal = equal_sizes(values, curve, sizes)
            real_rows, added = (_rows_per_label(cells, key, labels, column) for column in ("train_rows", "added_rows"))
            rows.append(_row(key, float(values[0]), equal, real_rows, added, level))
    return rows


def rising(accuracies: ArrayLike, sizes: ArrayLike) -> NDArray[np.float64]:
    """Return curves (curves, sizes) made to rise with size: the nearest that do, in squares, all points alike."""
    from sklearn.isotonic import isotonic_regression

    curves = np.asarray(accuracies, dtype=np.float64)
    order = np.argsort(np.asarray(sizes))
    fitted = curves.copy()
    # Most curves rise as they are.
    for row in np.flatnonzero((np.diff(curves[:, order], axis=1) < 0).any(axis=1)):
        fitted[row, order] = isotonic_regression(curves[row, order])
    return fitted


def equal_sizes(accuracies: ArrayLike, curves: ArrayLike, sizes: Sequence[float]) -> NDArray[np.float64]:
    """Return the size at which each rising curve (curves, sizes) reaches each accuracy (curves,), linear in log size.

    Where a curve stays level at that accuracy, the smallest such size. Minus and plus infinity stand for below the
    smallest and above the largest size.
    """
    wanted, heights = np.asarray(accuracies, dtype=np.float64), np.asarray(curves, dtype=np.float64)
    place = (heights < wanted[:, np.newaxis]).sum(axis=1)  # the first size that reaches it
    right = np.clip(place, 1, len(sizes) - 1)
    every = np.arange(len(heights))
    low, high = heights[every, right - 1], heights[every, right]
    share = np.divide(wanted - low, high - low, out=np.zeros_like(wanted), where=high > low)
    known = np.asarray(sizes, dtype=np.float64)
    # Linear in log size: from one size to the next by a power of their ratio.
    found = known[right - 1] * (known[right] / known[right - 1]) ** np.clip(share, 0, 1)
    found = np.where(wanted < heights[:, 0], -np.inf, found)
    return np.asarray(np.where(place == len(sizes), np.inf, found))


def _rows_per_label(cells: pd.DataFrame, key: CellKey, labels: Sequence[str], column: str = "train_rows") -> float:
    return rows_of(cells, key, column) / len(labels)


def _accuracy_means(cell: CellRuns, options: dict[str, Any]) -> NDArray[np.float64]:
    """Return the mean accuracy on all rows and then that on each resample: (1 + samples,)."""
    # Accuracy needs but hit and miss, two classes instead of all labels: the same figures, much faster.
    missed = (cell.predicted != cell.truth).astype(np.int64)
    scores = score_runs(np.zeros(len(cell.truth), dtype=np.int64), missed, 2, ["accuracy"], **options)["accuracy"]
    resampled = mean_over_seeds(scores, seed=options["seed"], seed_groups=cell.data_seeds)
    return np.concatenate([[scores.estimate.mean()], resampled])


def _row(
    key: CellKey, accuracy: float, equal: NDArray[np.float64], real_rows: float, added: float, level: float
) -> dict[str, Any]:
    estimate = float(equal[0])
    known = bool(np.isfinite(estimate))
    return {
        "arm": key[0],
        "n": key[1],
        "rows_per_label": real_rows,
        "accuracy": accuracy,
        "equal_to": _interval(equal, level) if known else None,
        "beyond": None if known else (BELOW if estimate < 0 else ABOVE),
        "added_rows": added,
        "worth": (estimate - real_rows) / added if known and added > 0 else None,
    }


def _interval(equal: NDArray[np.float64], level: float) -> dict[str, float | None]:
    """Return the percentile interval of sizes of which some may be infinite; an infinite end is None."""
    # Quantiles that are one of the values: a mean of two would not be defined between finite and infinite ones.
    low = float(np.quantile(equal[1:], (1 - level) / 2, method="lower"))
    high = float(np.quantile(equal[1:], (1 + level) / 2, method="higher"))
    ends = {name: end if np.isfinite(end) else None for name, end in (("low", low), ("high", high))}
    return {"estimate": float(equal[0]), **ends, "level": level, "samples": len(equal) - 1}
