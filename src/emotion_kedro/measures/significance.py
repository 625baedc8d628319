"""Tests of whether two classifiers differ, and the correction for asking several times."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from statsmodels.stats.contingency_tables import mcnemar as mcnemar_test
from statsmodels.stats.multitest import multipletests

EXACT_BELOW = 25  # rows that only one classifier gets right; from here on chi-squared is close enough


def mcnemar(first_correct: ArrayLike, second_correct: ArrayLike) -> dict[str, float]:
    """McNemar's test (1947) on two classifiers' hits (n,), booleans of the same rows in the same order.

    Gives `only_first` and `only_second`, the rows that only one of them gets right, and the two-sided
    `p_value`: exact binomial for fewer than 25 such rows, else chi-squared with continuity correction. The
    test speaks of two trained classifiers, not of two ways to train one, for which see
    `intervals.paired_bootstrap`; and it takes rows for independent, which near-duplicates are not.

    Raises ValueError for shapes that differ or values that are not booleans (0 and 1 will do).
    """
    first, second = _booleans(first_correct), _booleans(second_correct)
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape} rows; both classifiers need the same rows")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    table = [[int((first & second).sum()), only_first], [only_second, int((~first & ~second).sum())]]
    exact = only_first + only_second < EXACT_BELOW
    p_value = float(mcnemar_test(table, exact=exact, correction=True).pvalue)
    return {"only_first": only_first, "only_second": only_second, "p_value": p_value}


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Holm's (1979) adjusted p-values under the same names: below alpha means significant among them all.

    Raises ValueError for a p-value outside 0..1 or not a number.
    """
    wrong = {name: value for name, value in p_values.items() if not 0 <= value <= 1}
    if wrong:
        raise ValueError(f"{wrong} are not p-values; leave out comparisons that could not be made")
    if not p_values:
        return {}
    adjusted = multipletests(list(p_values.values()), method="holm")[1]
    return {name: float(value) for name, value in zip(p_values, adjusted, strict=True)}


def _booleans(values: ArrayLike) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.ndim != 1 or not np.isin(array, (0, 1)).all():
        raise ValueError(f"correct has shape {array.shape} and type {array.dtype}; booleans (n,) are needed")
    return array.astype(np.bool_)
