from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.config.data import SplitConfig
from emotion_kedro.data.splitting import Splits, split_grouped, split_plain, take_rows
from emotion_kedro.schemas.records import SplitRecords


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
    splits = split_plain(records(joy_a=rows), validation=validation, test=test, seed=1)
    assert tuple((splits == split).sum() for split in ("train", "validation", "test")) == expected


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
    splits = split_grouped(table, groups, validation=0.1, test=0.2, seed=seed)
    assert splits.index.equals(table.index)
    assert (splits.groupby(groups).nunique() == 1).all()
    number = len(np.unique(groups))
    first = ~pd.Series(groups).duplicated().to_numpy()
    assert (splits[first] == "test").sum() == round(0.2 * number)
    assert (splits[first] == "validation").sum() == round(0.1 * number)


def test_strata_are_proportional() -> None:
    table = records(joy_a=500, fear_a=200, joy_b=100, fear_b=2)
    splits = split_grouped(table, np.arange(len(table)), validation=0.1, test=0.2, seed=0)
    tests = table[splits == "test"].value_counts(["label", "source"])
    assert tests["joy", "a"] == 100
    assert tests["joy", "b"] == 20
    assert 39 <= tests["fear"].sum() <= 41
    validations = table[splits == "validation"].value_counts(["label", "source"])
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
    splits = split_grouped(table, groups, validation=0.3, test=0.4, seed=seed)
    assert "train" in set(splits)
    assert (splits.groupby(groups).nunique() == 1).all()


def test_one_group_is_train_and_zero_shares_hold_out_nothing() -> None:
    table = records(joy_a=10)
    assert set(split_grouped(table, np.zeros(10, dtype=int), validation=0.1, test=0.2, seed=0)) == {"train"}
    assert set(split_grouped(table, np.arange(10), validation=0.0, test=0.0, seed=0)) == {"train"}
    assert set(split_grouped(table, np.arange(10), validation=0.0, test=0.2, seed=0)) == {"train", "test"}


ROWS = SplitConfig(strategy="rows", file="train", train=(1, 4), test=(5, 6))
TEXTS = {
    "reviews:train:1": "很好",
    "reviews:train:2": "一般",
    # row 3 had no text
    "reviews:train:4": "再也不来",
    "reviews:train:5": "很 好",
    "reviews:train:6": "一般",
    "reviews:train:7": "以后再说",
    "reviews:dev:1": "前台热情",
    "reviews:dev:5": "一般",
}
REVIEWS = pd.DataFrame({"record_id": list(TEXTS), "text": list(TEXTS.values()), "label": "positive", "source": "r"})
REVIEWS = REVIEWS.assign(split="").astype("str")


def test_rows_are_those_of_the_file_by_number_and_not_by_place() -> None:
    taken, report = take_rows(REVIEWS, ROWS)
    splits = Splits.of(taken)
    assert splits.test["record_id"].tolist() == ["reviews:train:5", "reviews:train:6"]
    assert splits.train["record_id"].tolist() == ["reviews:train:1", "reviews:train:2", "reviews:train:4"]
    assert splits.validation.empty
    assert report == {"train": 3, "test": 2, "test_in_train": 1}
    SplitRecords.validate(taken)
    assert (taken["group"] == -1).all()
    alone = REVIEWS.assign(record_id=REVIEWS["record_id"].str.replace("reviews:", ""))  # a source of one file
    assert len(take_rows(alone, ROWS)[0]) == 5


def test_a_file_that_is_too_short_is_named() -> None:
    with pytest.raises(ValueError, match=r"train has no records in its rows 1001 to 1100 \(test\)"):
        take_rows(REVIEWS, ROWS.model_copy(update={"test": (1001, 1100)}))
