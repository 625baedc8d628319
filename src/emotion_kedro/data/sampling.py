"""Choose the rows that are used and divide them: conflicts and repeats, a cap per label and source, groups, split."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from emotion_kedro.config.data import SamplingConfig
from emotion_kedro.data.near_duplicates import group_near_duplicates, normalise
from emotion_kedro.data.splitting import SPLITS, UNGROUPED, split_grouped, split_plain, take_rows
from emotion_kedro.data.unification import count_by_source


def resolve_conflicts(
    records: pd.DataFrame,
    *,
    repeats: Literal["keep_one", "keep"],
    conflicts: Literal["drop", "majority", "first", "keep"],
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Settle texts that stand under several labels, then texts that stand there several times, over all sources.

    Texts are compared as :func:`normalise` leaves them. Rows are dropped, labels never changed.

    Args:
        records: unified records.
        repeats: ``keep_one`` keeps the first row of each text and label.
        conflicts: of a text with several labels, ``drop`` all rows; keep those with the label that most of its rows
            give (``majority``; the one that comes first if several are as frequent); keep those with the label of its
            ``first`` row; ``keep`` all.

    Returns:
        The records that stay, in order, and for ``conflicts`` and ``repeats`` the number of texts concerned and of
        rows dropped.
    """
    table = pd.DataFrame(
        {
            "text": pd.factorize(normalise(records["text"]))[0],
            "label": pd.factorize(records["label"])[0],
        }
    )
    texts_in_conflict, wins = _settle(table, conflicts)
    repeated = table.duplicated() & wins if repeats == "keep_one" else pd.Series(False, index=table.index)
    settled = records[(wins & ~repeated).to_numpy()].reset_index(drop=True)
    report = {
        "conflicts": {"texts": texts_in_conflict, "rows": int((~wins).sum())},
        "repeats": {"texts": int(table.loc[repeated, "text"].nunique()), "rows": int(repeated.sum())},
    }
    return settled, report


def _settle(table: pd.DataFrame, conflicts: str) -> tuple[int, pd.Series]:
    """Count the texts with several labels, and mark the rows that stay."""
    pairs = table.groupby(["text", "label"], sort=False).size().rename("rows").reset_index()
    contested = pairs["text"].duplicated(keep=False)
    texts = int(pairs.loc[contested, "text"].nunique())
    if conflicts == "keep" or texts == 0:
        return texts, pd.Series(True, index=table.index)
    if conflicts == "drop":
        return texts, ~table["text"].isin(pairs.loc[contested, "text"])
    if conflicts == "majority":  # a stable sort: among equals, the label that came first stays first
        pairs = pairs.sort_values("rows", ascending=False, kind="stable")
    winner = pairs.drop_duplicates("text").set_index("text")["label"]
    return texts, table["text"].map(winner) == table["label"]


def cap_rows(records: pd.DataFrame, *, cap: int | None, seed: int) -> pd.DataFrame:
    """Choose at random at most ``cap`` rows per label and source (None: all); the order of rows stays."""
    if cap is None:
        return records.reset_index(drop=True)
    order = np.random.default_rng(seed).permutation(len(records))
    shuffled = records[["source", "label"]].iloc[order]
    rank = shuffled.groupby(["source", "label"], sort=False).cumcount().to_numpy()
    return records.iloc[np.sort(order[rank < cap])].reset_index(drop=True)


def sample_and_split(records: pd.DataFrame, config: SamplingConfig) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Settle conflicts and repeats, cap, group near-duplicates, split.

    Rows that come with a split (files of their own) keep it and are all taken as they are. Rows without one that are
    near-duplicates of them are dropped, and so are validation rows that are near-duplicates of test rows; the other
    rows of such a source give it no second validation or test part.

    Args:
        records: unified records; ``split`` may be missing.
        config: how. With the strategy ``plain`` nothing is grouped and every ``group`` is -1; with ``rows`` only the
            rows named are taken, as they are.

    Returns:
        The table of :class:`emotion_kedro.schemas.SplitRecords`, and a report: ``rows`` (before), ``conflicts``,
        ``repeats``, ``capped`` (rows beyond the cap), ``kept``, ``groups`` and ``counts`` (split -> source -> label);
        where rows come with a split also ``own_splits`` (split -> rows, ``near_duplicates_dropped``).

    Raises:
        ValueError: if no row is left.
    """
    if config.split.strategy == "rows":
        sample, report = take_rows(records, config.split)
        return sample, {"rows": len(records), **report, **_described(sample)}
    free, fixed = _by_own_split(records)
    settled, report = resolve_conflicts(free, repeats=config.repeats, conflicts=config.conflicts)
    capped = cap_rows(settled, cap=config.cap, seed=config.seed)
    sample = _divided(capped, fixed, config)
    if not (sample["split"] == "train").any():
        raise ValueError("no row is left: every text is in conflict; see `conflicts` in the sampling parameters")
    report = {"rows": len(records), **report, "capped": len(settled) - len(capped), **_described(sample)}
    if len(fixed):
        dropped = len(capped) + len(fixed) - len(sample)
        rows = {str(split): int(count) for split, count in fixed["split"].value_counts().sort_index().items()}
        report["own_splits"] = {**rows, "near_duplicates_dropped": dropped}
    return sample, report


def _described(sample: pd.DataFrame) -> dict[str, Any]:
    return {
        "kept": len(sample),
        "groups": _group_counts(sample["group"]),
        "counts": {split: count_by_source(sample[sample["split"] == split]) for split in SPLITS},
    }


def _by_own_split(records: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the rows without a split from those that come with one."""
    fixed = records["split"] if "split" in records else pd.Series("", index=records.index, dtype="str")
    records = records.assign(split=fixed.fillna("").astype("str"))
    has_split = records["split"] != ""
    return records[~has_split].reset_index(drop=True), records[has_split].reset_index(drop=True)


def _divided(free: pd.DataFrame, fixed: pd.DataFrame, config: SamplingConfig) -> pd.DataFrame:
    """Group the rows, drop those that are near a fixed row, and give the others a split."""
    sample = pd.concat([free, fixed], ignore_index=True) if len(fixed) else free
    own_split = sample["split"]
    sample = sample.drop(columns="split").assign(group=np.int64(UNGROUPED), split=own_split)
    if config.split.strategy == "grouped":
        sample["group"] = _groups(sample, config)
        sample = sample[~_shadowed(sample)].reset_index(drop=True)
    is_free = sample["split"] == ""
    for part, validation, test in _shares(sample, config):
        rows = sample[is_free & part]
        if config.split.strategy == "plain":
            splits = split_plain(rows, validation=validation, test=test, seed=config.seed)
        else:
            groups = rows["group"].to_numpy()
            splits = split_grouped(rows, groups, validation=validation, test=test, seed=config.seed)
        sample.loc[rows.index, "split"] = splits
    return sample


def _shadowed(sample: pd.DataFrame) -> pd.Series:
    """Mask of the rows in whose group a fixed row of another split comes first: test before validation before none."""
    rank = sample["split"].map({"": 0, "train": 0, "validation": 1, "test": 2})
    return rank < rank.groupby(sample["group"]).transform("max")


def _shares(sample: pd.DataFrame, config: SamplingConfig) -> list[tuple[pd.Series, float, float]]:
    """Return masks of the rows that are divided alike, with the shares of validation and test.

    A group counts with the source of its rows that has most files of its own.
    """
    group = sample["group"] if config.split.strategy == "grouped" else pd.Series(sample.index, index=sample.index)
    owners = {split: set(sample.loc[sample["split"] == split, "source"]) for split in ("validation", "test")}
    owned = {split: sample["source"].isin(sources).groupby(group).transform("max") for split, sources in owners.items()}
    return [
        (
            (owned["validation"] == validation) & (owned["test"] == test),
            0.0 if validation else config.split.validation,
            0.0 if test else config.split.test_share,
        )
        for validation in (False, True)
        for test in (False, True)
        if ((owned["validation"] == validation) & (owned["test"] == test)).any()
    ]


def _groups(sample: pd.DataFrame, config: SamplingConfig) -> np.ndarray:
    return group_near_duplicates(sample["text"], **config.near_duplicates.model_dump(), seed=config.seed)


def _group_counts(groups: pd.Series) -> dict[str, int]:
    """Number of groups, rows in groups of two or more, and rows of the largest; zeros if nothing was grouped."""
    sizes = groups[groups != UNGROUPED].value_counts()
    return {
        "number": len(sizes),
        "rows_with_near_duplicates": int(sizes[sizes > 1].sum()),
        "largest": int(sizes.max()) if len(sizes) else 0,
    }


def leakage_table(records: pd.DataFrame, config: SamplingConfig) -> pd.DataFrame:
    """Count the test rows that also stand in train, if rows are split as they come and if they are split as here.

    ``plain`` takes the records as they are (cap only, no cleaning up) and shuffles rows; ``grouped`` is what
    :func:`sample_and_split` does with this configuration and the grouped strategy. With the strategy ``rows`` there is
    that alone.

    Returns:
        One row per split strategy and source (``all`` first): ``split_strategy, source, test_rows, exact_in_train,
        near_in_train`` (the same group, so exact ones included), ``exact_share, near_share, conflicting_in_train``
        (the same text with another label). Shares are of the test rows, 0 if there are none.
    """
    if config.split.strategy == "rows":
        taken, _ = take_rows(records, config.split)
        return _leaks("rows", taken.assign(group=_groups(taken, config)))
    plain = config.model_copy(update={"split": config.split.model_copy(update={"strategy": "plain"})})
    grouped = config.model_copy(update={"split": config.split.model_copy(update={"strategy": "grouped"})})
    free, fixed = _by_own_split(records)
    raw = _divided(cap_rows(free, cap=config.cap, seed=config.seed), fixed, plain)
    raw["group"] = _groups(raw, config)
    settled, _ = sample_and_split(records, grouped)
    return pd.concat([_leaks("plain", raw), _leaks("grouped", settled)], ignore_index=True)


def _leaks(strategy: str, table: pd.DataFrame) -> pd.DataFrame:
    train, test = table[table["split"] == "train"], table[table["split"] == "test"]
    text, train_text = normalise(test["text"]), normalise(train["text"])
    labels_in_train = train["label"].groupby(train_text).agg(set)
    leaks = pd.DataFrame(
        {
            "source": test["source"],
            "exact": text.isin(train_text),
            "near": test["group"].isin(train["group"]),
            "conflicting": [
                bool(labels_in_train.get(each, set()) - {label})
                for each, label in zip(text, test["label"], strict=True)
            ],
        }
    )
    parts = [("all", leaks), *((str(source), part) for source, part in leaks.groupby("source"))]
    return pd.DataFrame([_leak_row(strategy, source, part) for source, part in parts])


def _leak_row(strategy: str, source: str, leaks: pd.DataFrame) -> dict[str, Any]:
    rows = max(len(leaks), 1)
    return {
        "split_strategy": strategy,
        "source": source,
        "test_rows": len(leaks),
        "exact_in_train": int(leaks["exact"].sum()),
        "near_in_train": int(leaks["near"].sum()),
        "exact_share": float(leaks["exact"].sum() / rows),
        "near_share": float(leaks["near"].sum() / rows),
        "conflicting_in_train": int(leaks["conflicting"].sum()),
    }
