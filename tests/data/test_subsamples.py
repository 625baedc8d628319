from __future__ import annotations

import pandas as pd
import pytest

from emotion_kedro.config.base import ALL_ROWS
from emotion_kedro.config.experiment import DesignConfig
from emotion_kedro.data.subsamples import DesignSplits, Subsample, sizes_there_are, stratified_subsample

SPLITS = ("train", "validation", "test")


@pytest.fixture
def train() -> pd.DataFrame:
    """40 rows of joy and 5 of fear."""
    labels = ["joy"] * 40 + ["fear"] * 5
    return pd.DataFrame({"record_id": [f"r{row}" for row in range(45)], "text": "words", "label": labels})


def ids(rows: pd.DataFrame) -> set[str]:
    return set(rows["record_id"])


def test_a_larger_size_adds_rows_and_replaces_none(train: pd.DataFrame) -> None:
    subsample = Subsample.of(train, 3)
    for size in (1, 2, 4, 8, 16):
        few, more = subsample.rows(size), subsample.rows(2 * size)
        assert ids(few) < ids(more)
        assert few["label"].value_counts().to_dict() == {"joy": size, "fear": min(size, 5)}
        assert ids(subsample.rows(2 * size, after=size)) == ids(more) - ids(few)


def test_a_label_with_few_rows_gives_all_it_has(train: pd.DataFrame) -> None:
    rows = Subsample.of(train, 0).rows(20)
    assert ids(rows[rows["label"] == "fear"]) == {f"r{row}" for row in range(40, 45)}
    assert ids(Subsample.of(train, 0).rows(1000)) == ids(train)
    assert Subsample.of(train, 0).rows(1000, after=40).empty


def test_the_seed_decides_and_nothing_else(train: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(Subsample.of(train, 5).rows(10), Subsample.of(train, 5).rows(10))
    assert ids(Subsample.of(train, 5).rows(10)) != ids(Subsample.of(train, 6).rows(10))
    assert list(Subsample.of(train, 5).rows(10)) == list(train)


def test_sizes_end_where_no_label_has_so_many_rows(train: pd.DataFrame) -> None:
    assert sizes_there_are(train, (10, 40, 80)) == (10, 40)
    with pytest.raises(ValueError, match=r"asks for 50, 80 train rows per label; there are joy 40, fear 5\."):
        sizes_there_are(train, (50, 80))


def test_all_rows_come_in_their_own_order(train: pd.DataFrame) -> None:
    shuffled = train.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(Subsample.of(shuffled, 3).rows(ALL_ROWS), shuffled.reset_index(drop=True))
    assert sizes_there_are(train, (ALL_ROWS, 80)) == (ALL_ROWS,)


def test_the_size_limits_validation_rows_and_a_labels_train_rows_do_not(train: pd.DataFrame) -> None:
    records = pd.concat([train.assign(split="train"), pd.concat([train, train]).assign(split="validation")])
    splits = DesignSplits(records.assign(group=-1), DesignConfig(sizes=(8,), validation_rows=20))
    # Fear has 5 train rows.
    assert splits.validation_rows(8)["label"].value_counts().to_dict() == {"joy": 8, "fear": 8}


def table() -> pd.DataFrame:
    labels = ["joy"] * 60 + ["fear"] * 30 + ["love"] * 2
    return pd.DataFrame({"row": range(92), "label": labels})


def test_labels_keep_their_shares() -> None:
    thin = stratified_subsample(table(), 46, seed=0)
    assert thin["label"].value_counts().to_dict() == {"joy": 30, "fear": 15, "love": 1}
    assert thin["row"].is_monotonic_increasing


def test_a_rare_label_keeps_a_row() -> None:
    assert (stratified_subsample(table(), 10, seed=0)["label"] == "love").sum() == 1


def test_a_choice_within_labels_depends_on_the_seed_and_none_keeps_all() -> None:
    full = table()
    assert stratified_subsample(full, 20, seed=1).equals(stratified_subsample(full, 20, seed=1))
    assert not stratified_subsample(full, 20, seed=1).equals(stratified_subsample(full, 20, seed=2))
    assert stratified_subsample(full, None, seed=1).equals(full)
    assert stratified_subsample(full, 500, seed=1).equals(full)


def test_the_designs_seed_draws_test_and_validation_rows() -> None:
    def held_out(seed: int) -> tuple[set[str], set[str]]:
        records = table().assign(record_id=lambda rows: rows.index.astype("str"), group=-1)
        parts = [records.assign(split=split, record_id=split + records["record_id"]) for split in SPLITS]
        splits = DesignSplits(pd.concat(parts), DesignConfig(test_rows=40, validation_rows=5, seed=seed))
        return ids(splits.test), ids(splits.validation_rows(5))

    assert held_out(1) == held_out(1)
    assert all(first != second for first, second in zip(held_out(1), held_out(2), strict=True))
