"""Choose the rows that are used and divide them: conflicts and repeats, a cap per label and source, groups, split."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from emotion_kedro.config.base import ALL
from emotion_kedro.config.data import SamplingConfig
from emotion_kedro.data.near_duplicates import group_near_duplicates, normalise, text_hashes
from emotion_kedro.data.splitting import (
    SPLITS,
    UNGROUPED,
    check_labels,
    is_free,
    split_grouped,
    split_plain,
    take_chosen,
    take_rows,
)
from emotion_kedro.data.unification import count_by_source, pair_numbers
from emotion_kedro.storage.chunks import CHUNK_ROWS, Chunks

PARTS = 64
"""Files that the entries of the rows are dealt out to."""
ENTRIES_AT_ONCE = 250_000
_ENTRY = np.dtype([("text", np.uint64), ("row", np.uint32)])


def resolve_conflicts(
    records: pd.DataFrame | Chunks,
    *,
    repeats: Literal["keep_one", "keep"],
    conflicts: Literal["drop", "majority", "first", "keep"],
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Settle texts that stand under several labels, then texts that stand there several times, over all sources.

    Texts are compared as :func:`normalise` leaves them, by a hash of 64 bits: among 84 million texts two different
    ones have the same with a probability of 0.0002. Rows are dropped, labels never changed. In memory are three bytes
    a row; texts are dealt out to files by their hash, and settled a file at a time.

    Args:
        records: unified records.
        repeats: ``keep_one`` keeps the first row of each text and label.
        conflicts: of a text with several labels, ``drop`` all rows; keep those with the label that most of its rows
            give (``majority``; the one that comes first if several are as frequent); keep those with the label of its
            ``first`` row; ``keep`` all.

    Returns:
        For each row whether it stays (bool), and the number of its label and source, numbered by first appearance
        (uint16); and a report: for ``conflicts`` and ``repeats`` the number of texts concerned and of rows dropped.
    """
    report = {"conflicts": {"texts": 0, "rows": 0}, "repeats": {"texts": 0, "rows": 0}}
    with tempfile.TemporaryDirectory() as folder:
        groups, label_of = _deal_out(Chunks.of(records).only("text", "source", "label"), Path(folder))
        stays = np.ones(len(groups), dtype=bool)
        for texts, rows in _by_text(Path(folder), len(groups)):
            wins, repeated, contested = _settle(texts, label_of[groups[rows]], conflicts)
            repeated &= wins & (repeats == "keep_one")
            stays[rows] = wins & ~repeated
            report["conflicts"]["texts"] += contested
            report["conflicts"]["rows"] += int((~wins).sum())
            report["repeats"]["texts"] += len(np.unique(texts[repeated]))
            report["repeats"]["rows"] += int(repeated.sum())
    return stays, groups, report


def _deal_out(records: Chunks, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Write an entry for each row into a file of its text; return the rows' groups, and the label of each group."""
    numbers: dict[tuple[str, str], int] = {}
    groups: list[np.ndarray] = []
    row = 0
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context((folder / str(part)).open("wb")) for part in range(PARTS)]
        for piece in records:
            entries = np.empty(len(piece), dtype=_ENTRY)
            entries["text"] = text_hashes(piece["text"])
            entries["row"] = np.arange(row, row + len(piece))
            row += len(piece)
            groups.append(_group_numbers(piece, numbers))
            part = (entries["text"] % PARTS).astype(np.uint8)  # one byte: a stable sort takes one pass
            entries = entries[np.argsort(part, kind="stable")]
            bounds = np.append(0, np.bincount(part, minlength=PARTS).cumsum())
            for file, start, end in zip(files, bounds, bounds[1:], strict=False):
                file.write(entries[start:end].data)
    labels = pd.factorize(np.array([label for _, label in numbers], dtype=object))[0]
    return np.concatenate(groups), labels


def _group_numbers(piece: pa.RecordBatch, numbers: dict[tuple[str, str], int]) -> np.ndarray:
    """Return the number of each row's source and label; new ones are added to ``numbers``."""
    pairs, names = pair_numbers(piece)
    number_of = np.zeros(len(names), dtype=np.uint16)
    for pair in pc.unique(pa.array(pairs)).to_pylist():
        number_of[pair] = numbers.setdefault(names[pair], len(numbers))
    return number_of[pairs]


def _by_text(folder: Path, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield, of some files together, the texts that stand several times, numbered, and their rows; in order of both."""
    together = max(1, PARTS * ENTRIES_AT_ONCE // max(rows, 1))
    for start in range(0, PARTS, together):
        parts = range(start, min(start + together, PARTS))
        entries = np.concatenate([np.fromfile(folder / str(part), dtype=_ENTRY) for part in parts])
        order = np.argsort(entries["text"])
        hashes = entries["text"][order]
        same = hashes[1:] == hashes[:-1]
        several = (np.append(same, False) | np.append(False, same))[: len(order)]  # a part may have no entry
        texts = np.append(0, np.cumsum(~same))[: len(order)][several]
        rows_of = entries["row"][order[several]]
        order = np.lexsort((rows_of, texts))
        yield texts[order], rows_of[order]


def _settle(texts: np.ndarray, labels: np.ndarray, conflicts: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Return which rows keep their label, which repeat an earlier text with its label, and the contested texts' number.

    Args:
        texts: number of each row's text, ascending, shape (rows,).
        labels: number of its label.
        conflicts: as in :func:`resolve_conflicts`.
    """
    several = texts * (int(labels.max(initial=0)) + 1) + labels
    _, first, pair_of, rows = np.unique(several, return_index=True, return_inverse=True, return_counts=True)
    text_of = texts[first]  # of each pair of text and label
    repeated = ~np.isin(np.arange(len(texts)), first)
    starts = np.append(True, text_of[1:] != text_of[:-1])[: len(text_of)]
    pairs = np.diff(np.append(np.flatnonzero(starts), len(text_of)))
    contested = int((pairs > 1).sum())
    wins = np.ones(len(first), dtype=bool)
    if conflicts == "drop":
        wins = np.repeat(pairs == 1, pairs)
    elif conflicts != "keep":  # among equals, the label that came first
        order = np.lexsort((first, -rows, text_of) if conflicts == "majority" else (first, text_of))
        wins[order] = starts
    return wins[pair_of], repeated, contested


def cap_rows(groups: np.ndarray, *, cap: int | None, seed: int) -> np.ndarray:
    """Choose at random at most ``cap`` rows of each group (None: all); return their places, in order.

    Args:
        groups: number of each row's group, from 0, shape (rows,).
        cap: rows of a group, at most.
        seed: seed of the choice.
    """
    if cap is None or len(groups) == 0:
        return np.arange(len(groups))
    # Four bytes a row; the order is the same as that of eight.
    order = np.random.default_rng(seed).permutation(np.arange(len(groups), dtype=np.uint32))
    before = np.zeros(int(groups.max()) + 1, dtype=np.int64)
    chosen = []
    for start in range(0, len(order), CHUNK_ROWS):
        places = order[start : start + CHUNK_ROWS]
        part = groups[places]
        if (full := before >= cap).any():  # rows of other groups alone are looked at
            if full.all():
                break
            places, part = places[~full[part]], part[~full[part]]
        rank = before[part] + pd.Series(part).groupby(part).cumcount().to_numpy()
        chosen.append(places[rank < cap])
        before += np.bincount(part, minlength=len(before))
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def sample_and_split(records: pd.DataFrame | Chunks, config: SamplingConfig) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Settle conflicts and repeats, cap, group near-duplicates, split.

    Rows that come with a split (files of their own) keep it and are all taken as they are. Rows without one that are
    near-duplicates of them are dropped, and so are validation rows that are near-duplicates of test rows; the other
    rows of such a source give it no second validation or test part.

    Args:
        records: unified records; ``split`` may be missing.
        config: how. With the strategy ``plain`` nothing is grouped and every ``group`` is -1; with ``rows`` only the
            rows named are taken, as they are.

    Returns:
        The table of ``SplitRecords``, and a report: ``rows`` (before), ``conflicts``,
        ``repeats``, ``capped`` (rows beyond the cap), ``kept``, ``groups`` and ``counts`` (split -> source -> label);
        where rows come with a split also ``own_splits`` (split -> rows, ``near_duplicates_dropped``).

    Raises:
        ValueError: if no row is left, or a label has too few rows for a split.
    """
    sample, report = _sampled(Chunks.of(records), config)
    if config.split.strategy != "rows":
        check_labels(sample, needed=["train", "validation", "test"] if config.split.validation else ["train", "test"])
    return sample, report


def _sampled(records: Chunks, config: SamplingConfig) -> tuple[pd.DataFrame, dict[str, Any]]:
    if config.split.strategy == "rows":
        table = records.frame()
        sample, report = take_rows(table, config.split)
        return sample, {"rows": len(table), **report, **_described(sample)}
    stays, groups, report = resolve_conflicts(_free(records), repeats=config.repeats, conflicts=config.conflicts)
    capped = cap_rows(groups[stays], cap=config.cap, seed=config.seed)
    free, fixed = take_chosen(records, stays, capped)
    sample = _divided(free, fixed, config)
    if not (sample["split"] == "train").any():
        raise ValueError(
            "no train row is left: texts have several labels (see `conflicts`), or are nearly validation or test rows"
        )
    report = {"rows": len(stays) + len(fixed), **report, "capped": int(stays.sum()) - len(capped), **_described(sample)}
    if len(fixed):
        dropped = len(free) + len(fixed) - len(sample)
        rows = {str(split): int(count) for split, count in fixed["split"].value_counts().sort_index().items()}
        report["own_splits"] = {**rows, "near_duplicates_dropped": dropped}
    return sample, report


def _described(sample: pd.DataFrame) -> dict[str, Any]:
    return {
        "kept": len(sample),
        "groups": _group_counts(sample["group"]),
        "counts": {split: count_by_source(sample[sample["split"] == split]) for split in SPLITS},
    }


def _free(records: Chunks) -> Chunks:
    """Return the rows that come without a split."""
    return records.only("text", "source", "label", "split").where(is_free)


def _divided(free: pd.DataFrame, fixed: pd.DataFrame, config: SamplingConfig) -> pd.DataFrame:
    """Group the rows, drop those that are near a fixed row, and give the others a split."""
    sample = pd.concat([free, fixed], ignore_index=True) if len(fixed) else free
    own_split = sample["split"]
    sample = sample.drop(columns="split").assign(group=np.int64(UNGROUPED), split=own_split)
    if config.split.strategy == "grouped":
        sample["group"] = _groups(sample, config)
        sample = sample[~_near_rows_of_other_splits(sample)].reset_index(drop=True)
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


def _near_rows_of_other_splits(sample: pd.DataFrame) -> pd.Series:
    """Mask of the rows to drop: their group also holds one of a higher split (test, then validation, then the rest)."""
    rank = sample["split"].map({"": 0, "train": 0, "validation": 1, "test": 2})
    return rank < rank.groupby(sample["group"]).transform("max")


def _shares(sample: pd.DataFrame, config: SamplingConfig) -> list[tuple[pd.Series, float, float]]:
    """Return masks of the rows that are divided alike, with the shares of validation and test.

    A group counts as of a source with a test (or validation) file of its own if any of its rows is.
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


def leakage_table(records: pd.DataFrame | Chunks, config: SamplingConfig) -> pd.DataFrame:
    """Count the test rows that also stand in train, if rows are split as they come and if they are split as here.

    ``plain`` takes the records as they are (cap only, no cleaning up) and shuffles rows; ``grouped`` is what
    :func:`sample_and_split` does with this configuration and the grouped strategy. With the strategy ``rows`` there is
    that alone.

    Returns:
        One row per split strategy and source (``all`` first): ``split_strategy, source, test_rows, exact_in_train,
        near_in_train`` (the same group, so exact ones included), ``exact_share, near_share, conflicting_in_train``
        (the same text with another label). Shares are of the test rows, 0 if there are none.
    """
    records = Chunks.of(records)
    if config.split.strategy == "rows":
        used, _ = take_rows(records.frame(), config.split)
        return _leaks("rows", used.assign(group=_groups(used, config)))
    plain = config.model_copy(update={"split": config.split.model_copy(update={"strategy": "plain"})})
    grouped = config.model_copy(update={"split": config.split.model_copy(update={"strategy": "grouped"})})
    numbers: dict[tuple[str, str], int] = {}
    groups = np.concatenate([_group_numbers(piece, numbers) for piece in _free(records)])
    chosen = cap_rows(groups, cap=config.cap, seed=config.seed)
    raw = _divided(*take_chosen(records, np.ones(len(groups), dtype=bool), chosen), plain)
    raw["group"] = _groups(raw, config)
    settled, _ = _sampled(records, grouped)
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
    parts = [(ALL, leaks), *leaks.groupby("source")]
    return pd.DataFrame([_leak_row(strategy, str(source), part) for source, part in parts])


def _leak_row(strategy: str, source: str, leaks: pd.DataFrame) -> dict[str, Any]:
    return {
        "split_strategy": strategy,
        "source": source,
        "test_rows": len(leaks),
        "exact_in_train": int(leaks["exact"].sum()),
        "near_in_train": int(leaks["near"].sum()),
        "exact_share": float(leaks["exact"].sum() / max(len(leaks), 1)),
        "near_share": float(leaks["near"].sum() / max(len(leaks), 1)),
        "conflicting_in_train": int(leaks["conflicting"].sum()),
    }
