from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.learning_curves import equal_sizes, equivalent_real_rows, rising

EVALUATION = EvaluationConfig(bootstrap_samples=200)


def test_equal_sizes_by_hand() -> None:
    curves = np.tile([0.4, 0.6, 0.6], (4, 1))
    sizes = equal_sizes([0.3, 0.5, 0.6, 0.7], curves, [10, 40, 160])
    np.testing.assert_allclose(sizes, [0, 20, 40, np.inf])


def test_curves_are_made_to_rise() -> None:
    np.testing.assert_allclose(rising([[0.5, 0.3, 0.7], [0.1, 0.2, 0.3]]), [[0.4, 0.4, 0.7], [0.1, 0.2, 0.3]])


def test_equivalent_rows_of_an_arm(predictions_of: Callable[..., pd.DataFrame]) -> None:
    heights = {10: 0.3, 100: 0.6, 1000: 0.95}
    real = [predictions_of("real", height, size=size, rows=600) for size, height in heights.items()]
    # At size 10, the very predictions that real rows give at size 100.
    same = real[1].assign(arm="mixed", size=10)
    table = equivalent_real_rows(pd.concat([*real, same]), None, EVALUATION)
    row = table.iloc[0]
    assert (len(table), row["arm"], row["size"]) == (1, "mixed", 10)
    assert row["rows"] == pytest.approx(100)
    assert row["low"] <= row["rows"] <= row["high"]
    assert equivalent_real_rows(pd.concat([real[0], same]), None, EVALUATION).empty
