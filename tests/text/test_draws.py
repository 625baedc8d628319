from __future__ import annotations

import pandas as pd
import pytest

from emotion_kedro.text.draws import Draw, sizes_there_are


@pytest.fixture
def train() -> pd.DataFrame:
    """40 rows of joy and 5 of fear."""
    labels = ["joy"] * 40 + ["fear"] * 5
    return pd.DataFrame({"record_id": [f"r{row}" for row in range(45)], "text": "words", "label": labels})


def ids(rows: pd.DataFrame) -> set[str]:
    return set(rows["record_id"])


def test_a_larger_size_adds_rows_and_replaces_none(train: pd.DataFrame) -> None:
    draw = Draw.of(train, 3)
    for size in (1, 2, 4, 8, 16):
        few, more = draw.rows(size), draw.rows(2 * size)
        assert ids(few) < ids(more)
        assert few["label"].value_counts().to_dict() == {"joy": size, "fear": min(size, 5)}
        assert ids(draw.rows(2 * size, after=size)) == ids(more) - ids(few)


def test_a_label_with_few_rows_gives_all_it_has(train: pd.DataFrame) -> None:
    rows = Draw.of(train, 0).rows(20)
    assert ids(rows[rows["label"] == "fear"]) == {f"r{row}" for row in range(40, 45)}
    assert ids(Draw.of(train, 0).rows(1000)) == ids(train)
    assert Draw.of(train, 0).rows(1000, after=40).empty


def test_the_seed_decides_and_nothing_else(train: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(Draw.of(train, 5).rows(10), Draw.of(train, 5).rows(10))
    assert ids(Draw.of(train, 5).rows(10)) != ids(Draw.of(train, 6).rows(10))
    assert list(Draw.of(train, 5).rows(10)) == list(train)


def test_sizes_end_where_no_label_has_so_many_rows(train: pd.DataFrame) -> None:
    assert sizes_there_are(train, (10, 40, 80)) == (10, 40)
    assert sizes_there_are(train, (50, 80)) == (50,)
