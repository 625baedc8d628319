from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.text.splitting import split_grouped, split_plain


def records(**rows: int) -> pd.DataFrame:
    """Rows per ``label_source``."""
    names = [name.split("_") for name, count in rows.items() for _ in range(count)]
    return pd.DataFrame(names, columns=["label", "source"]).astype("str")


@pytest.mark.parametrize(
    ("rows", "validation", "test", "expected"),
    [
        (13_710, 0.0, 0.2, (10_968, 0, 2_742)),
        (100, 0.1, 0.2, (70, 10, 20)),
        (3, 0.0, 0.2, (2, 0, 1)),
        (0, 0.1, 0.2, (0, 0, 0)),
    ],
)
def test_plain_sizes(rows: int, validation: float, test: float, expected: tuple[int, ...]) -> None:
    sides = split_plain(records(joy_a=rows), validation=validation, test=test, seed=1)
    assert tuple((sides == side).sum() for side in ("train", "validation", "test")) == expected


def test_plain_shuffles_by_seed() -> None:
    table = records(joy_a=200)
    first, again, other = (split_plain(table, validation=0.1, test=0.2, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    assert (first.iloc[:40] == "test").sum() < 40


@pytest.mark.parametrize("seed", range(5))
def test_no_group_straddles_and_strata_are_kept(seed: int) -> None:
    table = records(joy_a=300, fear_a=200, joy_b=100, love_b=3).sample(frac=1, random_state=seed)
    groups = np.random.default_rng(seed).integers(0, 400, len(table))
    sides = split_grouped(table, groups, validation=0.1, test=0.2, seed=seed)
    assert sides.index.equals(table.index)
    assert (sides.groupby(groups).nunique() == 1).all()
    number = len(np.unique(groups))
    first = ~pd.Series(groups).duplicated().to_numpy()
    assert (sides[first] == "test").sum() == round(0.2 * number)
    assert (sides[first] == "validation").sum() == round(0.1 * number)


def test_strata_are_proportional() -> None:
    table = records(joy_a=500, fear_a=200, joy_b=100, fear_b=2)
    sides = split_grouped(table, np.arange(len(table)), validation=0.1, test=0.2, seed=0)
    tests = table[sides == "test"].value_counts(["label", "source"])
    assert tests["joy", "a"] == 100
    assert tests["joy", "b"] == 20
    assert 39 <= tests["fear"].sum() <= 41
    validations = table[sides == "validation"].value_counts(["label", "source"])
    assert 49 <= validations["joy", "a"] <= 51
    assert 9 <= validations["joy", "b"] <= 11


@pytest.mark.parametrize("seed", range(20))
def test_tiny_tables_never_fail(seed: int) -> None:
    chance = np.random.default_rng(seed)
    rows = int(chance.integers(1, 25))
    table = pd.DataFrame(
        {"label": chance.choice(list("abcdefgh"), rows), "source": chance.choice(list("xyz"), rows)}
    ).astype("str")
    groups = chance.integers(0, max(rows // 2, 1), rows)
    sides = split_grouped(table, groups, validation=0.3, test=0.4, seed=seed)
    assert "train" in set(sides)
    assert (sides.groupby(groups).nunique() == 1).all()


def test_one_group_is_train_and_zero_shares_hold_out_nothing() -> None:
    table = records(joy_a=10)
    assert set(split_grouped(table, np.zeros(10, dtype=int), validation=0.1, test=0.2, seed=0)) == {"train"}
    assert set(split_grouped(table, np.arange(10), validation=0.0, test=0.0, seed=0)) == {"train"}
    assert set(split_grouped(table, np.arange(10), validation=0.0, test=0.2, seed=0)) == {"train", "test"}
