"""Divide records into train, validation and test: by groups of near-duplicates, row by row, or by rows named."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from emotion_kedro.config.data import SplitConfig
from emotion_kedro.data.near_duplicates import normalise

SPLITS = ("train", "validation", "test")
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
        """Divide the table of :class:`emotion_kedro.schemas.SplitRecords`; each part keeps all columns, in order."""
        return cls(*(split_records[split_records["split"] == split].reset_index(drop=True) for split in SPLITS))


def take_rows(records: pd.DataFrame, config: SplitConfig) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Take the rows of one file that the configuration names: no repeats removed, no groups kept together.

    Args:
        records: unified records; ``record_id`` is source, file (where the source has several) and row.
        config: of the strategy ``rows``.

    Returns:
        The table of :class:`emotion_kedro.schemas.SplitRecords`, ungrouped and without validation rows, and a report:
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
                "needs other ranges"
            )
        parts.append(part.assign(group=np.int64(UNGROUPED), split=pd.Series(split, index=part.index, dtype="str")))
    train, test = parts
    report = {
        "train": len(train),
        "test": len(test),
        "test_in_train": int(normalise(test["text"]).isin(set(normalise(train["text"]))).sum()),
    }
    return pd.concat(parts, ignore_index=True), report


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

    Args:
        records: records table of n rows.
        groups: group of each row, shape (n,).
        validation: share of the groups.
        test: share of the groups.
        seed: seed of the choice.

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
