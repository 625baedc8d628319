"""Read texts without labels: tables and folders of text files, whole or cut into pieces of whole sentences.

What is wrong with a file is a :class:`emotion_kedro.data.reader_errors.SourceError`, as for labelled sources; what is
wrong with a single text (a repeat, a spreadsheet's error, an advertisement) is dropped and counted by its reason.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.config.data import SourceConfig, UnlabelledConfig
from emotion_kedro.data.cleaning import clean
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.data.near_duplicates import group_near_duplicates, normalise
from emotion_kedro.data.reader_errors import BadRow, SourceError, readable, undecodable
from emotion_kedro.data.sampling import cap_rows
from emotion_kedro.data.tables import files_of, prefixes_of, read_columns

NO_LABEL = ""
"""``other_label`` of a text whose source has no labels of its own."""
ADDRESS_WORDS = 6
"""A first line with "To" is an address if it has no more words."""

COLUMNS = ["record_id", "text", "source", "other_label", "group", "split"]
# The end of a sentence: its mark, closing quotation marks, and a capital or an opening mark behind the space.
_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]*)(?=\s+[\"'“‘(\[…]*[^\W\d_a-z])")
_ABBREVIATION = re.compile(r"(?:^|[\s(\"'“‘])(?:Mr|Mrs|Ms|Dr|St|Prof|Mme|Mlle|No|[A-Z])\.$")


def read_unlabelled(root: Path, config: UnlabelledConfig) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read all sources, one below the other; the labels of a source that has some are left aside.

    Returns:
        The texts, schema ``UnlabelledTexts``, and by source what was counted: ``files``,
        ``rows`` (rows or files read), ``pieces`` (texts they were cut into), ``dropped`` (reason -> count), ``usable``,
        ``kept`` (after the cap), ``train``, ``test``, ``other_labels`` (label -> kept).

    Raises:
        SourceError: if a file is missing or malformed, or too few texts of a source are left.
    """
    tables, reports = [], {}
    for name, source in config.sources.items():
        raw, files, bad = _read_source(Path(root), name, source)
        table, dropped = _usable(raw, name, source, config.cleaning if source.cleaning is None else source.cleaning)
        chosen = cap_rows(np.zeros(len(table), dtype=np.uint16), cap=config.cap, seed=config.seed)
        sample = table.iloc[chosen].reset_index(drop=True).assign(source=name)
        sample = _divided(_grouped(sample, name, source, config), name, config)
        reports[name] = {
            "files": files,
            "rows": int(raw["row"].nunique()) + bad,
            "pieces": len(raw) if source.pieces == "whole" else len(table) + sum(dropped.values()),
            "dropped": {**dropped, **({"bad rows": bad} if source.bad_rows == "drop" else {})},
            "usable": len(table),
            "kept": len(sample),
            **{split: int((sample["split"] == split).sum()) for split in ("train", "test")},
            "other_labels": _other_labels(sample),
        }
        tables.append(sample)
    table = pd.concat(tables, ignore_index=True)[COLUMNS].astype("str")
    for name in config.sources:
        table = _apart(table, name, reports[name])
    return table, reports


def _apart(table: pd.DataFrame, name: str, report: dict[str, Any]) -> pd.DataFrame:
    """Leave test texts of a source out that a model may have seen in another one, and count them."""
    is_own, is_train = table["source"] == name, table["split"] == "train"
    judged, seen = table[is_own & ~is_train], table[~is_own & is_train]
    if judged.empty or seen.empty:
        return table
    copies = judged.index[LeakGuard(seen).copies(judged["text"].tolist())]
    if len(copies):
        report["dropped"]["copy of a train text of another source"] = len(copies)
        report.update({count: report[count] - len(copies) for count in ("usable", "kept", "test")})
        report["other_labels"] = _other_labels(table[is_own].drop(index=copies))
    return table.drop(index=copies).reset_index(drop=True)


def _other_labels(table: pd.DataFrame) -> dict[str, int]:
    counts = table["other_label"].value_counts().sort_index()
    return {str(label): int(rows) for label, rows in counts.items() if label != NO_LABEL}


def _read_source(root: Path, name: str, source: SourceConfig) -> tuple[pd.DataFrame, list[str], int]:
    """Return the raw texts (``row``, ``text``, ``other_label``, ``group``), their files, and the number of bad rows."""
    files = files_of(root, name, source.files)
    prefixes = prefixes_of(name, files)
    bad: list[BadRow] = []
    if source.format_of(source.files[0]) == "text":
        parts = [_letter(path, prefix, source) for path, prefix in zip(files.values(), prefixes, strict=True)]
    else:
        parts = [_table(path, prefix, source, bad) for path, prefix in zip(files.values(), prefixes, strict=True)]
    return pd.concat(parts, ignore_index=True), list(files), len(bad)


def _letter(path: Path, row: str, source: SourceConfig) -> pd.DataFrame:
    try:
        lines = path.read_text(encoding=readable(source.encoding)).splitlines()
    except UnicodeError:
        raise undecodable(path, source.encoding) from None
    words = lines[0].split() if lines else []
    if source.drop_address and words[:1] == ["To"] and len(words) <= ADDRESS_WORDS:
        lines = lines[1:]
    return _raw([row], [" ".join(lines)], [NO_LABEL], [row])


def _table(path: Path, prefix: str, source: SourceConfig, bad: list[BadRow]) -> pd.DataFrame:
    named = (source.text_column, source.other_label_column, source.group_column, source.empty_column)
    columns = [column for column in named if column]
    chunks = list(read_columns(path, source, columns, bad))
    if not any(len(chunk) for chunk in chunks):
        raise SourceError(f"{path}: there is no row below the header")
    table = pd.concat(chunks)
    if source.empty_column:
        table = table[table[source.empty_column].str.strip() == ""]
    rows = [f"{prefix}:{row + 1}" for row in table.index.tolist()]
    blank = [NO_LABEL] * len(table)
    labels = table[source.other_label_column].str.strip().tolist() if source.other_label_column else blank
    groups = table[source.group_column].str.strip().tolist() if source.group_column else blank
    # A row whose cell is empty is a group of its own.
    return _raw(
        rows,
        table[source.text_column].tolist(),
        labels,
        [group or row for group, row in zip(groups, rows, strict=True)],
    )


def _raw(rows: list[str], texts: list[str], labels: list[str], groups: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "text": texts, "other_label": labels, "group": groups}).astype("str")


def _usable(
    raw: pd.DataFrame, name: str, source: SourceConfig, steps: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Clean the texts, cut them, and drop what cannot be used; return the rest and the count of each reason."""
    table = raw.assign(text=clean(raw["text"], steps).str.strip(), record_id=raw["row"])
    dropped: dict[str, int] = {}
    table = _without(table, table["text"] == "", "empty text", dropped)
    for reason, pattern in source.unwanted.items():
        table = _without(table, table["text"].str.contains(pattern, regex=True).astype(bool), reason, dropped)
    if source.pieces == "sentences":
        table = _cut(table, source)
    too_short = _words(table["text"]) < source.min_words
    table = _without(table, too_short, f"fewer than {source.min_words} words", dropped)
    if source.max_words is not None:
        too_long = _words(table["text"]) > source.max_words
        table = _without(table, too_long, f"more than {source.max_words} words", dropped)
    normal = normalise(table["text"])
    conflicting = table.groupby(normal)["other_label"].transform("nunique") > 1
    table = _without(table, conflicting, "same text under several labels", dropped)
    table = _without(table, normalise(table["text"]).duplicated(), "repeat", dropped)
    if len(table) < 2:
        raise SourceError(f"source {name}: of {len(raw)} texts {len(table)} are usable ({dropped}); check its settings")
    return table.reset_index(drop=True), dropped


def _words(texts: pd.Series) -> pd.Series:
    return pd.Series([len(text.split()) for text in texts.tolist()], index=texts.index)


def _without(table: pd.DataFrame, where: pd.Series, reason: str, dropped: dict[str, int]) -> pd.DataFrame:
    dropped[reason] = int(where.sum())
    return table[~where]


def _cut(table: pd.DataFrame, source: SourceConfig) -> pd.DataFrame:
    assert source.max_words is not None
    cut = [pieces_of(text, min_words=source.min_words, max_words=source.max_words) for text in table["text"]]
    pieces = table.assign(text=pd.Series(cut, index=table.index)).explode("text", ignore_index=True)
    number = pieces.groupby("row").cumcount() + 1
    return pieces.assign(text=pieces["text"].astype("str"), record_id=pieces["row"] + ":" + number.astype("str"))


def _grouped(table: pd.DataFrame, name: str, source: SourceConfig, config: UnlabelledConfig) -> pd.DataFrame:
    """Name the group of each text: that of its column, the file that it is a piece of, or its near-duplicates."""
    if source.group_column is not None or source.format_of(source.files[0]) == "text":
        return table
    numbers = group_near_duplicates(table["text"], **config.near_duplicates.model_dump(), seed=config.seed)
    return table.assign(group=[f"{name}:{number}" for number in numbers])


def _divided(table: pd.DataFrame, name: str, config: UnlabelledConfig) -> pd.DataFrame:
    """Deal the groups out to train and test."""
    sizes = table["group"].value_counts(sort=False).sample(frac=1.0, random_state=config.seed)
    # A group is train as long as its middle lies below the share of the texts that is wanted.
    middle = sizes.cumsum() - sizes / 2
    train = set(sizes.index[middle < config.train_share * len(table)])
    table = table.assign(split=["train" if group in train else "test" for group in table["group"]])
    if config.train_share < 1 and table.loc[table["split"] == "test", "group"].nunique() < 2:
        raise SourceError(
            f"source {name}: fewer than two groups of texts are left to test on; lower `train_share` or raise `cap`"
        )
    return table


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text whose white space is single spaces; the last may lack its mark.

    A full stop ends one where a capital follows, unless it stands behind a title (``Mr.``) or a single letter.
    """
    sentences, start = [], 0
    for end in _END.finditer(text):
        if _ABBREVIATION.search(text[start : end.end()]):
            continue
        sentences.append(text[start : end.end()].strip())
        start = end.end()
    rest = text[start:].strip()
    return [*sentences, rest] if rest else sentences


def pieces_of(text: str, *, min_words: int, max_words: int) -> list[str]:
    """Cut a text into pieces of at most ``max_words``, of whole sentences as far as they allow it.

    Short sentences are put together until a piece has ``min_words``; a sentence longer than ``max_words`` is cut into
    parts of about the same length. A last piece that is too short joins the one before if it fits; else it stays, too
    short, for the caller to count.
    """
    pieces: list[list[str]] = []
    for sentence in sentences_of(text):
        for words in _parts(sentence.split(), max_words):
            if pieces and len(pieces[-1]) < min_words and len(pieces[-1]) + len(words) <= max_words:
                pieces[-1].extend(words)
            else:
                pieces.append(words)
    if len(pieces) > 1 and len(pieces[-1]) < min_words and len(pieces[-2]) + len(pieces[-1]) <= max_words:
        last = pieces.pop()
        pieces[-1].extend(last)
    return [" ".join(words) for words in pieces]


def _parts(words: list[str], longest: int) -> list[list[str]]:
    parts = -(-len(words) // longest)
    bounds = [len(words) * part // parts for part in range(parts + 1)] if parts else [0]
    return [words[start:end] for start, end in itertools.pairwise(bounds)]
