from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from emotion_kedro.measures.significance import holm, mcnemar


def hits(only_first: int, only_second: int) -> tuple[np.ndarray, np.ndarray]:
    """Hits of two classifiers that agree on 20 rows, half of them right."""
    both = [True] * 10 + [False] * 10
    first = np.array([True] * only_first + [False] * only_second + both)
    second = np.array([False] * only_first + [True] * only_second + both)
    return first, second


@pytest.mark.parametrize(("only_first", "only_second"), [(1, 6), (6, 1), (12, 12), (0, 0), (0, 24)])
def test_few_rows_are_tested_exactly(only_first: int, only_second: int) -> None:
    found = mcnemar(*hits(only_first, only_second))
    total = only_first + only_second
    expected = stats.binomtest(only_first, total).pvalue if total else 1.0
    assert found == pytest.approx({"only_first": only_first, "only_second": only_second, "p_value": expected})


def test_exact_by_hand() -> None:
    # Two tails of (C(7,0) + C(7,1)) / 2^7.
    assert mcnemar(*hits(1, 6))["p_value"] == pytest.approx(2 * 8 / 128)


@pytest.mark.parametrize(("only_first", "only_second"), [(5, 20), (40, 60)])
def test_many_rows_take_chi_squared(only_first: int, only_second: int) -> None:
    statistic = (abs(only_first - only_second) - 1) ** 2 / (only_first + only_second)
    found = mcnemar(*hits(only_first, only_second))
    assert found["p_value"] == pytest.approx(stats.chi2.sf(statistic, 1))


def test_zeros_and_ones_will_do() -> None:
    first, second = hits(3, 9)
    assert mcnemar(first.astype(int), second.astype(int)) == mcnemar(first, second)


@pytest.mark.parametrize(("first", "second"), [([True], [True, False]), ([0.3], [1.0]), ([[True]], [[True]])])
def test_mcnemar_refuses(first: list[object], second: list[object]) -> None:
    with pytest.raises(ValueError, match=r"rows|booleans"):
        mcnemar(first, second)


def test_holm_by_hand() -> None:
    # Sorted .01, .03, .04 times 3, 2, 1 give .03, .06, .04, and no value may fall below the one before.
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx({"b": 0.03, "c": 0.06, "a": 0.06})


def test_holm_of_few() -> None:
    assert holm({}) == {}
    assert holm({"a": 0.2}) == pytest.approx({"a": 0.2})


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_holm_refuses(value: float) -> None:
    with pytest.raises(ValueError, match="not p-values"):
        holm({"a": value})
