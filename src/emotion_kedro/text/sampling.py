"""Choose the rows that are used and divide them: conflicts and repeats, a cap per label and source, groups, split."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from emotion_kedro.options import SamplingOptions
from emotion_kedro.text.near_duplicates import group_near_duplicates, normalise
from emotion_kedro.text.splitting import split_grouped, split_plain
from emotion_kedro.text.unification import count_by_source

__all__ = ["cap_rows", "leakage_table", "resolve_conflicts", "sample_and_split", "split_grouped", "split_plain"]

SPLITS = ("train", "validation", "test")
UNGROUPED = -1


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
    kept = records[(wins & ~repeated).to_numpy()].reset_index(drop=True)
    report = {
        "conflicts": {"texts": texts_in_conflict, "rows": int((~wins).sum())},
        "repeats": {"texts": int(table.loc[repeated, "text"].nunique()), "rows": int(repeated.sum())},
    }
    return kept, report


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


def sample_and_split(records: pd.DataFrame, options: SamplingOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Settle conflicts and repeats, cap, group near-duplicates, split.

    Args:
        records: unified records.
        options: how; with the ``plain`` strategy nothing is grouped and every ``group`` is -1.

    Returns:
        The table of :class:`emotion_kedro.schemas.SplitRecords`, and a report: ``rows`` (before), ``conflicts``,
        ``repeats``, ``capped`` (rows beyond the cap), ``kept``, ``groups`` and ``counts`` (split -> source -> label).

    Raises:
        ValueError: if no row is left.
    """
    settled, report = resolve_conflicts(records, repeats=options.repeats, conflicts=options.conflicts)
    sample = cap_rows(settled, cap=options.cap, seed=options.seed)
    if sample.empty:
        raise ValueError("no row is left: every text is in conflict; see `conflicts` in the sampling parameters")
    sample = _divided(sample, options)
    report = {
        "rows": len(records),
        **report,
        "capped": len(settled) - len(sample),
        "kept": len(sample),
        "groups": _group_counts(sample["group"]),
        "counts": {side: count_by_source(sample[sample["split"] == side]) for side in SPLITS},
    }
    return sample, report


def _divided(sample: pd.DataFrame, options: SamplingOptions) -> pd.DataFrame:
    split = options.split
    if split.strategy == "plain":
        sides = split_plain(sample, validation=split.validation, test=split.test, seed=options.seed)
        return sample.assign(group=np.full(len(sample), UNGROUPED, dtype=np.int64), split=sides)
    groups = _groups(sample, options)
    sides = split_grouped(sample, groups, validation=split.validation, test=split.test, seed=options.seed)
    return sample.assign(group=groups, split=sides)


def _groups(sample: pd.DataFrame, options: SamplingOptions) -> np.ndarray:
    return group_near_duplicates(sample["text"], **options.near_duplicates.model_dump(), seed=options.seed)


def _group_counts(groups: pd.Series) -> dict[str, int]:
    """Number of groups, rows in groups of two or more, and rows of the largest; zeros if nothing was grouped."""
    sizes = groups[groups != UNGROUPED].value_counts()
    return {
        "number": len(sizes),
        "rows_with_near_duplicates": int(sizes[sizes > 1].sum()),
        "largest": int(sizes.max()) if len(sizes) else 0,
    }


def leakage_table(records: pd.DataFrame, options: SamplingOptions) -> pd.DataFrame:
    """Count the test rows that also stand in train, if rows are split as they come and if they are split as here.

    ``plain`` takes the records as they are (cap only, no cleaning up) and shuffles rows; ``grouped`` is what
    :func:`sample_and_split` does with these options and the grouped strategy.

    Returns:
        One row per split strategy and source (``all`` first): ``split_strategy, source, test_rows, exact_in_train,
        near_in_train`` (the same group, so exact ones included), ``exact_share, near_share, conflicting_in_train``
        (the same text with another label). Shares are of the test rows, 0 if there are none.
    """
    plain = options.model_copy(update={"split": options.split.model_copy(update={"strategy": "plain"})})
    grouped = options.model_copy(update={"split": options.split.model_copy(update={"strategy": "grouped"})})
    raw = _divided(cap_rows(records, cap=options.cap, seed=options.seed), plain)
    raw["group"] = _groups(raw, options)
    kept, _ = sample_and_split(records, grouped)
    rows = [_leaks("plain", raw), _leaks("grouped", kept)]
    return pd.concat(rows, ignore_index=True)


def _leaks(strategy: str, table: pd.DataFrame) -> pd.DataFrame:
    train, test = table[table["split"] == "train"], table[table["split"] == "test"]
    text, train_text = normalise(test["text"]), normalise(train["text"])
    labels_in_train = train["label"].groupby(train_text).agg(set)
    found = pd.DataFrame(
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
    parts = [("all", found), *((str(source), part) for source, part in found.groupby("source"))]
    return pd.DataFrame([_leak_row(strategy, source, part) for source, part in parts])


def _leak_row(strategy: str, source: str, found: pd.DataFrame) -> dict[str, Any]:
    rows = max(len(found), 1)
    return {
        "split_strategy": strategy,
        "source": source,
        "test_rows": len(found),
        "exact_in_train": int(found["exact"].sum()),
        "near_in_train": int(found["near"].sum()),
        "exact_share": float(found["exact"].sum() / rows),
        "near_share": float(found["near"].sum() / rows),
        "conflicting_in_train": int(found["conflicting"].sum()),
    }


def thin_out(table: pd.DataFrame, where: pd.Series, rows: int | None, *, seed: int) -> pd.DataFrame:
    """Keep about ``rows`` of the rows of the mask ``where``, drawn at random within each label; all others stay.

    Args:
        table: needs ``label``.
        where: the rows that may be dropped.
        rows: how many of them are wanted; None, or more than there are: all.
        seed: of the choice.

    Returns:
        The rows that stay, in order; every label that ``where`` has keeps at least one row.
    """
    some = table[where]
    if rows is None or rows >= len(some):
        return table.reset_index(drop=True)
    shuffled = some.sample(frac=1, random_state=seed)
    place = shuffled.groupby("label").cumcount()
    wanted = (shuffled["label"].map(some["label"].value_counts()) * rows / len(some)).round().clip(lower=1)
    kept = shuffled.index[place < wanted]
    return table[~where | table.index.isin(kept)].reset_index(drop=True)
