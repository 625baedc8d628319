"""Divide records into train, validation and test: by groups of near-duplicates, row by row, or by rows named."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from emotion_kedro.config.data import SplitConfig
from emotion_kedro.data.near_duplicates import normalise
from emotion_kedro.storage.chunks import Chunks, frame_of, is_among

logger = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")
FEW = 10
"""Rows of a label below which a warning is given."""
UNGROUPED = -1
"""``group`` of a row whose near-duplicates were not looked for."""
_ROW = r"^(?:.+:)?(?P<file>[^:]+):(?P<row>\d+)$"


@dataclass(frozen=True)
class Splits:
    """Split records, divided."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    @classmethod
    def of(cls, split_records: pd.DataFrame) -> Splits:
        """Divide the table of ``SplitRecords``; each part keeps all columns, in order."""
        return cls(*(split_records[split_records["split"] == split].reset_index(drop=True) for split in SPLITS))


def take_rows(records: pd.DataFrame, config: SplitConfig) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Take the rows of one file that the configuration names: no repeats removed, no groups kept together.

    Returns:
        The table of ``SplitRecords``, ungrouped and without validation rows, and a report:
        ``train`` and ``test`` (rows that are there), and ``test_in_train`` (test rows whose text is a train text).

    Raises:
        ValueError: if the file has no row in one of the two ranges.
    """
    places = records["record_id"].str.extract(_ROW)
    row = pd.to_numeric(places["row"]).where(places["file"] == config.file)
    parts = []
    for split, rows in (("train", config.train), ("test", config.test)):
        assert isinstance(rows, tuple)
        part = records[row.between(*rows)]
        if part.empty:
            raise ValueError(
                f"split: {config.file} has no records in its rows {rows[0]} to {rows[1]} ({split}); a shorter file "
                f"needs other ranges. The files, and their last rows: {_last_rows(places['file'], places['row'])}"
            )
        parts.append(part.assign(group=np.int64(UNGROUPED), split=pd.Series(split, index=part.index, dtype="str")))
    train, test = parts
    report = {
        "train": len(train),
        "test": len(test),
        "test_in_train": int(normalise(test["text"]).isin(set(normalise(train["text"]))).sum()),
    }
    return pd.concat(parts, ignore_index=True), report


def is_free(piece: pa.RecordBatch) -> np.ndarray:
    """Return which rows come without a split: (rows,) of bool."""
    return is_among(piece["split"], [""]) if "split" in piece.schema.names else np.ones(len(piece), dtype=bool)


def take_chosen(records: Chunks, stays: np.ndarray, chosen: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rows without a split, and all rows that come with one.

    Args:
        records: all records.
        stays: which of the rows without a split are left, shape (rows,).
        chosen: places among those that are left, in order.
    """
    free, fixed = [], []
    row = left = 0
    for piece in records:
        free_rows = is_free(piece)
        without = np.flatnonzero(free_rows)
        staying = without[stays[row : row + len(without)]]
        start, end = np.searchsorted(chosen, (left, left + len(staying)))
        free.append(piece.take(pa.array(staying[chosen[start:end] - left])))
        fixed.append(piece.filter(pa.array(~free_rows)))
        row, left = row + len(without), left + len(staying)
    tables = [frame_of(batches) for batches in (free, fixed)]
    return tables[0].assign(split=""), tables[1]


def _last_rows(files: pd.Series, rows: pd.Series) -> str:
    last = pd.to_numeric(rows).groupby(files).max()
    return ", ".join(f"{file} ({row:.0f})" for file, row in last.items())


def check_labels(sample: pd.DataFrame, needed: Sequence[str]) -> None:
    """Stop if a label has too few rows to be learned from, chosen by and tested on; warn if it has hardly enough.

    Raises:
        ValueError: if a label has fewer groups of near-duplicates than there are splits, or no row to learn from or to
            be tested on.
    """
    few = []
    for label, rows in sample.groupby("label"):
        grouped = rows.loc[rows["group"] != UNGROUPED, "group"]
        parts = len(rows) if grouped.empty else grouped.nunique()
        without = [split for split in needed if not (rows["split"] == split).any()]
        if parts < len(needed) or {"train", "test"} & {*without}:
            near = "" if parts == len(rows) else f" in {parts} group(s) of near-duplicates, which stay together"
            raise ValueError(
                f"the label {label} has {len(rows)} row{'' if len(rows) == 1 else 's'} left{near}: none in "
                f"{' and '.join(without) or 'one split'}, and {', '.join(needed[:-1])} and {needed[-1]} need at least "
                "one each. Give it more rows, a larger `cap`, or map it to another label."
            )
        if len(rows) < FEW or without:
            few.append(f"{label} ({len(rows)})")
    if few:
        logger.warning("labels with few rows: %s; below %d, figures for them say little", ", ".join(few), FEW)


def split_plain(records: pd.DataFrame, *, validation: float, test: float, seed: int) -> pd.Series:
    """Shuffle the rows and cut: round(n * test) rows of test, round(n * validation) of validation, the rest train.

    Near-duplicates and repeats may stand in two splits; this is how much published work splits, kept to measure it.

    Returns:
        ``train``, ``validation`` or ``test`` for each row, with the index of ``records``.
    """
    order = np.random.default_rng(seed).permutation(len(records))
    tests, validations = round(len(records) * test), round(len(records) * validation)
    splits = np.full(len(records), "train", dtype=object)
    splits[order[:tests]] = "test"
    splits[order[tests : tests + validations]] = "validation"
    return pd.Series(splits, index=records.index, name="split", dtype="str")


def split_grouped(records: pd.DataFrame, groups: np.ndarray, *, validation: float, test: float, seed: int) -> pd.Series:
    """Divide the groups, so that no group stands in two splits; the shares are shares of groups.

    Stratified by label and source where there are groups enough for it, then by label; what is rarer is thrown
    together. A group counts under the label and source of its first row. Tables too small to divide stay train.

    Returns:
        ``train``, ``validation`` or ``test`` for each row, with the index of ``records``.
    """
    strata = records[["label", "source"]].assign(group=groups).drop_duplicates("group").set_index("group")
    total = len(strata)
    rest, tests = _hold_out(strata, _count(total, test, available=total), seed)
    rest, validations = _hold_out(rest, _count(total, validation, available=len(rest)), seed)
    splits = pd.Series("train", index=strata.index, dtype="str")
    splits[tests.index] = "test"
    splits[validations.index] = "validation"
    return pd.Series(splits.loc[groups].to_numpy(), index=records.index, name="split", dtype="str")


def _count(total: int, share: float, *, available: int) -> int:
    """Number of groups to hold out: at least one where a share is asked for, but never the last one."""
    return min(max(round(total * share), 1 if share > 0 else 0), max(available - 1, 0))


def _hold_out(strata: pd.DataFrame, count: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    if count == 0:
        return strata, strata.iloc[:0]
    from sklearn.model_selection import train_test_split

    names = _strata(strata, share=count / len(strata))
    stratify = names if names.nunique() > 1 else None
    rest, held = train_test_split(strata, test_size=count, stratify=stratify, random_state=seed)
    return rest.sort_index(), held.sort_index()


def _strata(strata: pd.DataFrame, *, share: float) -> pd.Series:
    """Name the stratum of each group; each has so many groups that at least one falls on either side."""
    least = max(2, math.ceil(1 / min(share, 1 - share)))
    label = strata["label"]
    names = label + "\0" + strata["source"]
    # A label's small sources go with its largest one.
    largest = names.groupby(label).transform(lambda each: each.mode().iloc[0])
    names = names.where(names.map(names.value_counts()) >= least, largest)
    rare = names.map(names.value_counts()) < least
    names = names.mask(rare, "")
    if 0 < rare.sum() < least and not rare.all():
        names = names.mask(rare, names[~rare].mode().iloc[0])
    return names
