from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.measures.uncertainty import certainty, folds_of, least_certain

READINGS = [[0.5, 0.3, 0.2], [0.45, 0.44, 0.11], [1.0, 0.0, 0.0], [0.34, 0.33, 0.33]]


def test_margin_is_between_the_two_likeliest_labels() -> None:
    assert certainty(READINGS, "margin") == pytest.approx([0.2, 0.01, 1.0, 0.01])
    assert certainty([[0.2, 0.3, 0.5]], "margin") == pytest.approx([0.2])


def test_entropy_looks_at_all_labels() -> None:
    found = certainty([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [1 / 3] * 3], "entropy")
    assert found == pytest.approx([-np.log(2), 0.0, -np.log(3)])


def test_the_two_order_texts_differently() -> None:
    # Two labels in doubt, or three: the margin is smaller in the first, the entropy larger in the second.
    pair = [[0.5, 0.49, 0.01], [0.4, 0.3, 0.3]]
    assert certainty(pair, "margin").argmin() == 0
    assert certainty(pair, "entropy").argmin() == 1


def test_the_least_sure_share_of_each_label_is_chosen() -> None:
    labels = pd.Series(["joy", "fear", "joy", "joy", "fear", "joy", "joy", "love"], index=range(10, 18))
    sure = [0.9, 0.2, 0.1, 0.5, 0.1, 0.4, 0.8, 0.99]
    chosen = least_certain(labels, sure, 0.4)
    # 0.4 of 5 joy rows are 2, of 2 fear rows 1; the only love row is taken however sure it is.
    assert np.flatnonzero(chosen).tolist() == [2, 4, 5, 7]
    assert least_certain(labels, sure, 1.0).all()


def test_of_equally_sure_rows_the_earlier_are_taken() -> None:
    chosen = least_certain(pd.Series(["joy"] * 4), [0.5, 0.5, 0.5, 0.5], 0.5)
    assert chosen.tolist() == [True, True, False, False]


def test_groups_are_kept_together_and_parts_are_of_like_size() -> None:
    groups = pd.Series([0, 0, 1, 2, 2, 2, 3, 4, 5, 5, 6, 7])
    parts = folds_of(groups, 2, seed=0)
    assert all(len(set(parts[groups == group])) == 1 for group in groups.unique())
    assert sorted(np.bincount(parts)) == [6, 6]
    assert parts.tolist() == folds_of(groups, 2, seed=0).tolist()
    assert any(parts.tolist() != folds_of(groups, 2, seed=seed).tolist() for seed in range(1, 5))


def test_rows_without_a_group_stand_alone() -> None:
    parts = folds_of(pd.Series([-1] * 9), 3, seed=0)
    assert np.bincount(parts).tolist() == [3, 3, 3]


def test_too_few_groups_are_an_error() -> None:
    with pytest.raises(ValueError, match="1 groups of rows cannot be put into 2 parts"):
        folds_of(pd.Series([4, 4, 4]), 2, seed=0)
