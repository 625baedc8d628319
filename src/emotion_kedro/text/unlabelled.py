"""Read texts that have no emotion label: tables with other labels or none, and folders of text files.

What is wrong with a file is a :class:`emotion_kedro.text.source_errors.SourceError`, as for labelled sources; what is
wrong with a single text (a repeat, a spreadsheet's error, an advertisement) is dropped and counted by its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.options.special_sets import SpecialSetsOptions, TextSetOptions
from emotion_kedro.text.cleaning import clean
from emotion_kedro.text.near_duplicates import group_near_duplicates, normalise
from emotion_kedro.text.sampling import cap_rows
from emotion_kedro.text.sentences import pieces_of
from emotion_kedro.text.source_errors import SourceError, readable, undecodable
from emotion_kedro.text.sources import read_columns

__all__ = ["JUDGED", "NO_LABEL", "WIDENING", "read_text_sets"]

NO_LABEL = ""
"""``other_label`` of a text whose set has no labels of its own."""
WIDENING, JUDGED = "widening", "judged"
ADDRESS_WORDS = 6
"""A first line with "To" is an address if it has no more words."""


def read_text_sets(root: Path, options: SpecialSetsOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read all sets, one below the other.

    Returns:
        The texts, schema :class:`emotion_kedro.schemas.UnlabelledTexts`, and by name of the set what was counted:
        ``title``, ``files``, ``rows`` (rows or files read), ``pieces`` (texts they were cut into), ``dropped`` (reason
        -> count), ``usable``, ``kept`` (after the cap), ``widening``, ``judged``, ``other_labels`` (label -> kept).

    Raises:
        SourceError: if a file is missing or malformed, or too few texts of a set are left.
    """
    tables, reports = [], {}
    for name, one in options.sets.items():
        raw, files = _read_set(Path(root), name, one)
        table, dropped = _usable(raw, one, one.cleaning or options.cleaning)
        kept = cap_rows(table.assign(source=name, label=""), cap=options.cap, seed=options.seed)
        kept = _parted(kept.drop(columns="label").reset_index(drop=True), name, one, options)
        labels = kept["other_label"].value_counts().sort_index()
        reports[name] = {
            "title": one.title,
            "files": files,
            "rows": int(raw["row"].nunique()),
            "pieces": len(raw) if one.pieces == "whole" else len(table) + sum(dropped.values()),
            "dropped": dropped,
            "usable": len(table),
            "kept": len(kept),
            **{part: int((kept["part"] == part).sum()) for part in (WIDENING, JUDGED)},
            "other_labels": {str(label): int(rows) for label, rows in labels.items() if label != NO_LABEL},
        }
        tables.append(kept)
    columns = ["record_id", "text", "source", "other_label", "group", "part"]
    return pd.concat(tables, ignore_index=True)[columns], reports


def _read_set(root: Path, name: str, one: TextSetOptions) -> tuple[pd.DataFrame, list[str]]:
    """Return the raw texts (``row``, ``text``, ``other_label``, ``group``), and the files they come from."""
    paths = [path for pattern in one.patterns for path in _matching(root, name, pattern)]
    files = [path.relative_to(root).as_posix() for path in paths]
    repeated = sorted({file for file in files if files.count(file) > 1})
    if repeated:
        raise SourceError(f"set {name}: `files` names {repeated[0]} twice; leave one out")
    if one.format == "text":
        return pd.concat([_letter(path, name, one) for path in paths], ignore_index=True), files
    prefixes = [name if len(paths) == 1 else f"{name}:{path.stem}" for path in paths]
    return pd.concat([_table(path, prefix, one) for path, prefix in zip(paths, prefixes, strict=True)]), files


def _matching(root: Path, name: str, pattern: str) -> list[Path]:
    paths = sorted((path for path in root.glob(pattern) if path.is_file()), key=_numbered)
    if paths:
        return paths
    folder = (root / pattern).parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    inside = ", ".join(sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())[:12]) or "nothing"
    raise SourceError(
        f"{root / pattern}: no such file, which the set {name} asks for. The folder {folder} holds: {inside}. Put the "
        "file there, correct `files` of the set, or say where the raw data lie: --params=raw_root=<folder>."
    )


def _numbered(path: Path) -> tuple[int, str]:
    """Sort 2.txt before 10.txt."""
    return (int(path.stem) if path.stem.isdecimal() else -1, path.name)


def _letter(path: Path, name: str, one: TextSetOptions) -> pd.DataFrame:
    encoding = readable(one.encoding)
    try:
        lines = path.read_text(encoding=encoding).splitlines()
    except UnicodeError:
        raise undecodable(path, one.encoding) from None
    except LookupError:
        raise SourceError(f"{path}: there is no encoding {one.encoding!r}; correct `encoding` of the set") from None
    words = lines[0].split() if lines else []
    if one.drop_address and words[:1] == ["To"] and len(words) <= ADDRESS_WORDS:
        lines = lines[1:]
    row = f"{name}:{path.stem}"
    return _raw([row], [" ".join(lines)], [NO_LABEL], [row])


def _table(path: Path, prefix: str, one: TextSetOptions) -> pd.DataFrame:
    columns = [column for column in (one.text_column, one.other_label_column, one.group_column) if column]
    table = pd.concat(list(read_columns(path, one.as_source(), columns)))
    if table.empty:
        raise SourceError(f"{path}: there is no row below the header")
    rows = [f"{prefix}:{row + 1}" for row in table.index.tolist()]
    labels = table[one.other_label_column].str.strip().tolist() if one.other_label_column else [NO_LABEL] * len(table)
    groups = table[one.group_column].tolist() if one.group_column else [""] * len(table)
    if one.told is not None:
        _check_labels(path, one, labels)
    return _raw(rows, table[one.text_column].tolist(), labels, groups)


def _check_labels(path: Path, one: TextSetOptions, labels: list[str]) -> None:
    """A third class, or an empty cell, would be taken for the one that is not asked for."""
    assert one.told is not None
    others = sorted(set(labels) - {one.told.positive})
    if len(others) > 1 or one.told.positive not in labels:
        wrong = next((label for label in others if label == ""), others[-1] if others else "")
        row = labels.index(wrong) + 1 if wrong in labels else 1
        raise SourceError(
            f"{path}, data row {row}, column {one.other_label_column!r}: the value {wrong!r}; two classes are needed, "
            f"{one.told.positive!r} and another, and there are {sorted(set(labels))}. Correct the row, `told.positive` "
            "or `other_label_column`."
        )


def _raw(rows: list[str], texts: list[str], labels: list[str], groups: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "text": texts, "other_label": labels, "group": groups}).astype("str")


def _usable(raw: pd.DataFrame, one: TextSetOptions, steps: Sequence[str]) -> tuple[pd.DataFrame, dict[str, int]]:
    """Clean the texts, cut them, and drop what cannot be used; return the rest and the count of each reason."""
    raw = raw.reset_index(drop=True)
    table = raw.assign(text=clean(raw["text"], steps).str.strip(), record_id=raw["row"])
    dropped: dict[str, int] = {}
    table = _without(table, table["text"] == "", "empty text", dropped)
    for reason, pattern in one.unwanted.items():
        found = table["text"].str.contains(pattern, regex=True).astype(bool)
        table = _without(table, found, reason, dropped)
    if one.pieces == "sentences":
        table = _cut(table, one)
    table = _without(table, _words(table["text"]) < one.min_words, f"fewer than {one.min_words} words", dropped)
    if one.max_words is not None:
        table = _without(table, _words(table["text"]) > one.max_words, f"more than {one.max_words} words", dropped)
    normal = normalise(table["text"])
    conflicting = table.groupby(normal)["other_label"].transform("nunique") > 1
    table = _without(table, conflicting, "same text under both labels", dropped)
    table = _without(table, normalise(table["text"]).duplicated(), "repeat", dropped)
    if len(table) < 2:
        raise SourceError(
            f"set {one.title}: of {len(raw)} texts {len(table)} are usable ({dropped}); check its options"
        )
    return table.reset_index(drop=True), dropped


def _words(texts: pd.Series) -> pd.Series:
    return pd.Series([len(text.split()) for text in texts.tolist()], index=texts.index)


def _without(table: pd.DataFrame, where: pd.Series, reason: str, dropped: dict[str, int]) -> pd.DataFrame:
    dropped[reason] = int(where.sum())
    return table[~where]


def _cut(table: pd.DataFrame, one: TextSetOptions) -> pd.DataFrame:
    assert one.max_words is not None
    cut = [pieces_of(text, min_words=one.min_words, max_words=one.max_words) for text in table["text"]]
    pieces = table.assign(text=pd.Series(cut, index=table.index)).explode("text", ignore_index=True)
    number = pieces.groupby("row").cumcount() + 1
    return pieces.assign(text=pieces["text"].astype("str"), record_id=pieces["row"] + ":" + number.astype("str"))


def _parted(table: pd.DataFrame, name: str, one: TextSetOptions, options: SpecialSetsOptions) -> pd.DataFrame:
    """Name the group of each text, and deal the groups out to the widening and to the judging."""
    if one.format == "table" and one.group_column is None:
        near = options.near_duplicates
        numbers = group_near_duplicates(
            table["text"],
            threshold=near.threshold,
            shingle=near.shingle,
            permutations=near.permutations,
            seed=options.seed,
        )
        table = table.assign(group=[f"{name}:{number}" for number in numbers])
    sizes = table["group"].value_counts(sort=False).sample(frac=1.0, random_state=options.seed)
    # A group goes to the widening as long as its middle lies below the share of the texts that is wanted.
    middle = sizes.cumsum() - sizes / 2
    widening = set(sizes.index[middle < options.widening_share * len(table)])
    parts = [WIDENING if group in widening else JUDGED for group in table["group"]]
    table = table.assign(part=pd.Series(parts, index=table.index, dtype="str"))
    if table.loc[table["part"] == JUDGED, "group"].nunique() < 2:
        raise SourceError(
            f"set {name}: fewer than two groups of texts are left to judge; lower `widening_share` or raise `cap`"
        )
    return table
