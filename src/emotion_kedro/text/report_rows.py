"""The reference report's own rows of a set, and what stands in the way of believing them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.options.chinese import ReportRowsOptions
from emotion_kedro.text.near_duplicates import normalise
from emotion_kedro.text.sampling import UNGROUPED

ROW = r"^[^:]+:(?P<file>.+):(?P<row>\d+)$"


def take_report_rows(records: pd.DataFrame, options: ReportRowsOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Take the rows of one file that the report took: no cap, no repeats removed, no groups kept together.

    Args:
        records: unified records of a source of several files (``record_id``: source, file, row).
        options: which rows.

    Returns:
        The table of :class:`emotion_kedro.schemas.SplitRecords`, ungrouped and without validation rows, and a report:
        ``train`` and ``test`` (rows that are there), and ``test_in_train`` (test rows whose text is a train text).

    Raises:
        ValueError: if the file has no row in one of the two ranges.
    """
    found = records["record_id"].str.extract(ROW)
    row = pd.to_numeric(found["row"]).where(found["file"] == options.file)
    sides = []
    for side, (first, last) in {"train": options.train, "test": options.test}.items():
        part = records[row.between(first, last)]
        if part.empty:
            raise ValueError(
                f"report_rows: {options.file} has no records in its rows {first} to {last} ({side}); "
                "a shorter file needs other ranges"
            )
        sides.append(part.assign(group=UNGROUPED, split=pd.Series(side, index=part.index, dtype="str")))
    train, test = sides
    report = {
        "train": len(train),
        "test": len(test),
        "test_in_train": int(normalise(test["text"]).isin(set(normalise(train["text"]))).sum()),
    }
    return pd.concat(sides, ignore_index=True), report


def without_texts_of(records: pd.DataFrame, tested: pd.DataFrame) -> pd.DataFrame:
    """Return the split records without those that are a near-duplicate of a text in ``tested``, or that text itself.

    A model that is pretrained on the rest has read none of the texts that it will be tested on.
    """
    same = normalise(records["text"]).isin(set(normalise(tested["text"])))
    groups = set(records.loc[same & (records["group"] >= 0), "group"])
    return records[~(same | records["group"].isin(groups))].reset_index(drop=True)
