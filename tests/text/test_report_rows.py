from __future__ import annotations

import pandas as pd
import pytest
from pydantic import ValidationError

from emotion_kedro.options.chinese import ReportRowsOptions
from emotion_kedro.schemas import SplitRecords
from emotion_kedro.text.report_rows import take_report_rows, without_texts_of

OPTIONS = ReportRowsOptions(file="train", train=(1, 4), test=(5, 6))


def _records(rows: dict[str, str]) -> pd.DataFrame:
    ids = list(rows)
    table = pd.DataFrame({"record_id": ids, "text": list(rows.values())}, dtype="str")
    return table.assign(label="positive", source="reviews").astype({"label": "str", "source": "str"})


RECORDS = _records(
    {
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
)


def test_the_rows_are_those_of_the_file_by_number_and_not_by_place() -> None:
    taken, report = take_report_rows(RECORDS, OPTIONS)
    assert taken.groupby("split")["record_id"].agg(list).to_dict() == {
        "test": ["reviews:train:5", "reviews:train:6"],
        "train": ["reviews:train:1", "reviews:train:2", "reviews:train:4"],
    }
    assert report == {"train": 3, "test": 2, "test_in_train": 1}
    SplitRecords.validate(taken)
    assert (taken["group"] == -1).all()


def test_a_file_that_is_too_short_is_named() -> None:
    with pytest.raises(ValueError, match=r"train has no records in its rows 1001 to 1100 \(test\)"):
        take_report_rows(RECORDS, ReportRowsOptions(file="train"))


@pytest.mark.parametrize("rows", [{"train": (1, 10), "test": (10, 12)}, {"train": (5, 1)}, {"test": (0, 3)}])
def test_ranges_that_make_no_sense_are_refused(rows: dict[str, tuple[int, int]]) -> None:
    with pytest.raises(ValidationError):
        ReportRowsOptions(file="train", **rows)


def test_what_is_tested_elsewhere_is_not_read_nor_what_is_nearly_the_same() -> None:
    records = RECORDS.assign(group=[0, 1, 2, 2, 1, 3, 4, 5], split="train")
    tested = RECORDS[RECORDS["record_id"] == "reviews:train:4"]
    left = without_texts_of(records, tested)
    assert left["record_id"].tolist() == [
        *("reviews:train:1", "reviews:train:2", "reviews:train:6", "reviews:train:7"),
        *("reviews:dev:1", "reviews:dev:5"),
    ]
    ungrouped = without_texts_of(records.assign(group=-1), tested)
    assert len(ungrouped) == len(records) - 1
