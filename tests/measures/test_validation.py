from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.measures.validation import best_round, has_stalled, validation_score

LABELS = ("fear", "joy")


def predictions(*seeds: list[float]) -> pd.DataFrame:
    """Two rows, fear and joy; what each seed gives the true label."""
    return pd.DataFrame(
        [
            {"label": label, "seed": seed, "p_fear": given if label == "fear" else 1 - given}
            for seed, pair in enumerate(seeds)
            for label, given in zip(LABELS, pair, strict=True)
        ]
    ).assign(p_joy=lambda table: 1 - table["p_fear"])


def test_the_score_is_the_mean_over_seeds_and_more_is_better() -> None:
    table = predictions([0.8, 0.5 + 1e-9], [0.4, 0.25])
    assert validation_score(table, LABELS, "accuracy") == 0.5
    expected = np.log([0.8, 0.5, 0.4, 0.25]).mean()
    assert validation_score(table, LABELS, "log_loss") == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scores", "min_gain", "best"),
    [
        ([0.5], 0.0, 0),
        ([0.5, 0.6, 0.55], 0.0, 1),
        ([0.5, 0.5, 0.5], 0.0, 0),
        ([0.5, 0.51, 0.52], 0.05, 0),
        # Small gains on the last best add up to one that counts.
        ([0.5, 0.53, 0.5625], 0.05, 2),
        ([0.5, 0.75, 0.625], 0.25, 0),
        ([-0.9, -0.7, -0.8], 0.0, 1),
    ],
)
def test_a_later_round_is_best_if_it_gains_more_than_asked(scores: list[float], min_gain: float, best: int) -> None:
    assert best_round(scores, min_gain) == best


def test_no_rounds_have_no_best() -> None:
    with pytest.raises(ValueError, match="no rounds"):
        best_round([], 0.0)


@pytest.mark.parametrize(
    ("scores", "patience", "stalled"),
    [
        ([0.5], 1, False),
        ([0.5, 0.6], 1, False),
        ([0.5, 0.5], 1, True),
        ([0.5, 0.4], 2, False),
        ([0.5, 0.4, 0.45], 2, True),
        ([0.5, 0.4, 0.6], 2, False),
        ([0.5, 0.4, 0.6, 0.6], 2, False),
        ([0.5, 0.4, 0.6, 0.6, 0.1], 2, True),
    ],
)
def test_the_loop_has_stalled_after_so_many_rounds_without_a_better_one(
    scores: list[float], patience: int, stalled: bool
) -> None:
    assert has_stalled(scores, min_gain=0.0, patience=patience) == stalled


def test_a_gain_below_the_least_counts_as_none() -> None:
    assert has_stalled([0.5, 0.51], min_gain=0.02, patience=1)
    assert not has_stalled([0.5, 0.53], min_gain=0.02, patience=1)
