"""How a table is to be read: its format, and which of its columns are the texts and the labels."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.app.own_table.layout import LONG, ROWS, UNKNOWN, layout_of
from emotion_kedro.config.base import HAN
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.config.taxonomy import MOST_LABELS
from emotion_kedro.data import reader_errors
from emotion_kedro.data.reader_errors import SourceError, listed
from emotion_kedro.data.tables import columns_of, read_columns

LINES = {"format": "csv", "column_names": ["text"], "separator": "\x1f", "quoting": False}
"""How a file is read that has a text a line: as a table whose separator stands nowhere."""
ENOUGH = 20
"""Rows that show whether a column holds texts or labels."""
DIFFERENT = 0.5
"""Share of its rows that a column of texts has different values in, at least."""
NEARLY = 0.6
"""Of two columns with texts the shorter may be meant as well if it has so much of the longer one's length."""
TEXT_NAMES = re.compile(r"text|content|sentence|body|message|review|post|tweet|comment|utterance|entry|question", re.I)
LABEL_NAMES = re.compile(r"label|emotion|class|categor|intent|sentiment|mood|feeling|topic|target|tag", re.I)


@dataclass(frozen=True)
class Guess:
    """How a table is read, and why so."""

    source: SourceConfig
    notes: tuple[str, ...]
    """A sentence for each thing that was guessed."""
    doubts: dict[str, tuple[str, ...]]
    """``text`` or ``label`` -> columns that may be meant, the likeliest first; empty: no doubt."""


@dataclass(frozen=True)
class _Column:
    name: str
    filled: int
    distinct: int
    length: float
    """Mean length of what is in it, in characters."""
    numbers: bool
    """Whether there are numbers, dates or times in it alone."""
    spaced: bool
    """Whether it is written text: words with spaces between them, or Chinese characters."""


def guess_source(path: Path, *, text: str | None = None, label: str | None = None) -> Guess:
    """Say how a table is to be read.

    Args:
        path: csv, tsv, txt, json, jsonl, parquet or xlsx; absolute.
        text: the column of the texts; None: the one with the longest values, if these mostly differ.
        label: the column of the labels; None: one with few values, each in many rows.

    Raises:
        SourceError: if the file cannot be read, or no column can be what is wanted.
    """
    config, names, notes = _opened(path, layout_of(path, named=(text, label)), text, label)
    columns = list(_columns(path, config, names))
    if not columns:
        raise SourceError(f"{path}: the table has no rows")
    texts = [text] if text else _texts(columns, label)
    labels = [label] if label else _labels(columns, (texts or [""])[0])
    by_name = {column.name: column for column in columns}
    _assert_no_mistake(path, by_name, text, label)
    for what, candidates in (("text", texts), ("label", labels)):
        if not candidates:
            raise _no_column(path, what, names)
    notes += [] if text else [_why_text(by_name[texts[0]])]
    notes += [] if label else [_why_label(by_name[labels[0]])]
    if texts[0] == labels[0]:
        raise SourceError(f"{path}: text and label are both {texts[0]!r}; name two columns")
    chosen = {"text_column": texts[0], "label_column": labels[0], "unknown_labels": "drop", "bad_rows": "error"}
    source = SourceConfig.model_validate({**config.model_dump(exclude_unset=True), **chosen})
    doubts = {what: tuple(some) for what, some in (("text", texts), ("label", labels)) if len(some) > 1}
    return Guess(source, tuple(notes), doubts)


def with_test_file(source: SourceConfig, path: Path) -> SourceConfig:
    """Return a source with a file of test rows, which are read as its own.

    Raises:
        SourceError: if the file cannot be read, lacks a column, or is laid out in another way.
    """
    other = guess_source(path, text=source.text_column, label=source.label_column).source
    for what in ("format", "separator", "encoding", "quoting", "column_names", "sheet"):
        mine, its = getattr(source, what), getattr(other, what)
        if mine != its and not (what == "encoding" and path.read_bytes().isascii()):
            raise SourceError(
                f"{path}: its {what.replace('_', ' ')} would be {its!r}, that of {Path(str(source.file)).name} is "
                f"{mine!r}; save both in the same way"
            )
    return source.model_copy(update={"test_file": str(path)})


def guess_texts(path: Path, text: str | None = None) -> tuple[SourceConfig, list[str], list[str]]:
    """Say how a table of texts without labels is to be read: as one with labels would be.

    Args:
        path: csv, tsv, json, jsonl, parquet, xlsx, or txt with a text a line, or with columns that no comma separates.
        text: the column of the texts; None: the one that is called so, else the one that looks like it.

    Returns:
        The source, which leaves rows out that cannot be read; its columns; a sentence for each thing that was guessed.

    Raises:
        SourceError: if the file cannot be read, or it is in doubt which column is meant.
    """
    if ".." in path.parts:
        path = path.absolute()  # a source's file that leaves the raw folder is named in full
    layout, notes = layout_of(path, least=1, named=(text,))
    if path.suffix.lower() == ".txt" and text is None and "separator" not in layout:
        layout = {**LINES, **{key: layout[key] for key in ("encoding",) if key in layout}}
        notes = ["format: a text a line"]
    config, names, notes = _opened(path, (layout, notes), text)
    if text is None:
        obvious = names if len(names) == 1 else [name for name in names if name == "text"]
        columns = {} if obvious else {column.name: column for column in _columns(path, config, names)}
        if not obvious and not columns:
            raise SourceError(f"{path}: the table has no rows")
        candidates = obvious or _texts(list(columns.values()), None)
        if not candidates:
            raise _no_column(path, "text", names)
        if len(candidates) > 1:
            raise SourceError(f"{path}: the text may be {listed(map(repr, candidates))}. Name it: --text COLUMN")
        text = candidates[0]
        notes += [_why_text(columns[text])] if columns else []
    unique_names = [name for name in names if names.count(name) == 1]
    return config.model_copy(update={"text_column": text}), unique_names, notes


def _opened(
    path: Path, guess: tuple[dict[str, Any], list[str]], *wanted: str | None
) -> tuple[SourceConfig, list[str], list[str]]:
    """Return a source that leaves bad rows out, its columns, and what is said of it; the columns wanted are there."""
    layout, notes = guess
    first = (layout.get("column_names") or [UNKNOWN])[0]
    config = SourceConfig.model_validate({"file": str(path), "text_column": first, "bad_rows": "drop", **layout})
    names = columns_of(path, config)
    _assert_no_title(path, config, names)
    for name in filter(None, wanted):
        if name not in names:
            raise reader_errors.missing_column(path, name, names)
    return config, names, list(notes)


def _assert_no_title(path: Path, config: SourceConfig, names: list[str]) -> None:
    """Stop where the first cell alone is filled in the first row, and others are below it."""
    if len(names) < 3 or not names[0] or any(names[1:]) or config.format_of(path) == "parquet":
        return
    numbers = [str(number) for number in range(len(names))]
    numbered = config.model_copy(update={"column_names": tuple(numbers), "text_column": numbers[1]})
    for chunk in itertools.islice(read_columns(path, numbered, numbers[1:]), 1):
        if (chunk != "").mean().max() > DIFFERENT:
            reader_errors.check_columns(path, [""], names)  # says so


def _assert_no_mistake(path: Path, columns: Mapping[str, _Column], text: str | None, label: str | None) -> None:
    """Stop where a column that is named as the texts looks like the labels, or the other way round."""
    texts, labels = columns.get(text or ""), columns.get(label or "")
    if texts is not None and not texts.spaced and _labels([texts], ""):
        wrong, like = texts, "labels"
    elif labels is not None and labels.spaced and labels.filled >= ENOUGH and not _labels([labels], ""):
        wrong, like = labels, "texts"
    else:
        return
    counts = f"{wrong.distinct:,} different values in {wrong.filled:,} rows"
    raise SourceError(
        f"{path}: the column {wrong.name!r} has {counts}, as {like} do. Name the texts with --text and the labels with "
        "--label"
    )


def _no_column(path: Path, what: str, names: list[str]) -> SourceError:
    columns = listed(map(repr, names))
    return SourceError(f"{path}: no column looks like a {what}; there are: {columns}. Name it: --{what} COLUMN")


# --- the columns --------------------------------------------------------------------------------------------------


def _columns(path: Path, config: SourceConfig, names: list[str]) -> Iterator[_Column]:
    for name in (name for name in names if names.count(name) == 1):
        strict = config.model_copy(update={"text_column": name})
        chunk = next(read_columns(path, strict, [name]), pd.DataFrame({name: []}, dtype="str"))
        values = chunk[name].iloc[:ROWS].str.strip()
        values = values[values != ""]
        if len(values):
            yield _Column(
                name,
                len(values),
                values.nunique(),
                float(values.str.len().mean()),
                numbers=bool(values.str.fullmatch(r"[-+\d.,:/ ]+").all()),
                spaced=bool(values.str.contains(rf"\S\s\S|[{HAN}]").mean() > DIFFERENT),
            )


def _texts(columns: list[_Column], label: str | None) -> list[str]:
    """Return the columns that may hold the texts, the likeliest first; one: there is no doubt."""
    fit = [column for column in columns if column.name != label and column.distinct > DIFFERENT * column.filled]
    written = [column for column in fit if column.spaced] or [column for column in fit if not column.numbers]
    ordered = sorted(written, key=lambda column: -column.length)
    near = [column for column in ordered if column.length >= NEARLY * ordered[0].length]
    return _named(near, TEXT_NAMES)


def _labels(columns: list[_Column], text: str) -> list[str]:
    """Return the columns that may hold the labels, the likeliest first; one: there is no doubt."""
    fit = [
        column
        for column in columns
        if column.name != text and 2 <= column.distinct <= min(MOST_LABELS, column.filled / 2) and column.length <= LONG
    ]
    # A label stands rather behind the text than before it, and is rather a word than a number.
    ordered = _named(fit[::-1], LABEL_NAMES)
    words = [column.name for column in fit if not column.numbers]
    return ordered if len(ordered) == 1 else [name for name in ordered if name in words or not words]


def _named(columns: list[_Column], names: re.Pattern[str]) -> list[str]:
    """Return the columns, or where one of them is called what such columns are called, that one alone."""
    called = [column.name for column in columns if names.search(column.name)]
    return called if len(called) == 1 else [column.name for column in columns]


def _why_text(column: _Column) -> str:
    share = 100 * column.distinct / column.filled
    return f"text: {column.name!r} ({column.length:.0f} characters on average, {share:.0f} % of them different)"


def _why_label(column: _Column) -> str:
    return f"label: {column.name!r} ({column.distinct} different values in {column.filled:,} rows)"
