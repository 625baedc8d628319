"""How a table is to be read: its format, and which of its columns are the texts and the labels."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.app.files import SEPARATORS
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data import reader_errors
from emotion_kedro.data.reader_errors import BadRow, SourceError
from emotion_kedro.data.tables import columns_of, read_columns
from emotion_kedro.metrics.diversity import HAN

ROWS = 5000
"""Rows that columns are judged by."""
LONG = 60
"""Characters that no name of a column has."""
MOST_LABELS = 200
DIFFERENT = 0.5
"""Share of its rows that a column of texts has different values in, at least."""
NEARLY = 0.6
"""Of two columns with texts the shorter may be meant as well if it has so much of the longer one's length."""
TEXT_NAMES = re.compile(r"text|content|sentence|body|message|review|post|tweet|comment|utterance|entry|question", re.I)
LABEL_NAMES = re.compile(r"label|emotion|class|categor|intent|sentiment|mood|feeling|topic|target|tag", re.I)
_GUESSED = "?"


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
    layout, notes = _layout(path)
    named = layout.get("column_names")
    config = SourceConfig.model_validate({"file": str(path), "text_column": (named or [_GUESSED])[0], **layout})
    names = columns_of(path, config)
    for wanted in filter(None, (text, label)):
        if wanted not in names:
            raise reader_errors.missing_column(path, wanted, names)
    columns = list(_columns(path, config.model_copy(update={"bad_rows": "drop"}), names))
    texts = [text] if text else _texts(columns, label)
    labels = [label] if label else _labels(columns, (texts or [""])[0])
    for what, candidates in (("text", texts), ("label", labels)):
        if not candidates:
            listed = ", ".join(map(repr, names))
            raise SourceError(f"{path}: no column looks like a {what}; there are: {listed}. Name it: --{what} COLUMN")
    by_name = {column.name: column for column in columns}
    notes += [] if text else [_why_text(by_name[texts[0]])]
    notes += [] if label else [_why_label(by_name[labels[0]])]
    source = SourceConfig.model_validate(
        {"file": str(path), **layout, "text_column": texts[0], "label_column": labels[0], "unknown_labels": "drop"}
    )
    doubts = {what: tuple(some) for what, some in (("text", texts), ("label", labels)) if len(some) > 1}
    return Guess(source, tuple(notes), doubts)


# --- the file -----------------------------------------------------------------------------------------------------


def _layout(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the keys of a source that say how the file is read, and what is to be said of them."""
    if not path.is_file():
        raise reader_errors.missing_file(path)
    try:
        plain = SourceConfig(file=str(path), text_column=_GUESSED)
        kind = plain.format_of(path)
    except ValueError as error:
        raise SourceError(f"{path}: the ending says no format; csv, tsv, json, jsonl, parquet and xlsx are read") from (
            error
        )
    if (wrong := reader_errors.of_another_kind(path, plain)) is not None:
        raise wrong
    if kind in {"xlsx", "parquet"}:
        return {}, []
    layout: dict[str, Any] = {} if (encoding := _encoding(path)) == "utf-8" else {"encoding": encoding}
    notes = [f"encoding: {encoding}, since it is not UTF-8"] if layout else []
    if kind == "json" and _is_lines(path, encoding):
        return {**layout, "format": "jsonl"}, [*notes, "format: an object a line"]
    if kind in {"json", "jsonl"}:
        return layout, notes
    delimited, said = _delimited(path, layout)
    return {**layout, **delimited}, [*notes, *said]


def _encoding(path: Path) -> str:
    data = path.read_bytes()
    if _decodes(data, "utf-8"):
        return "utf-8"
    lines = data.splitlines()
    if sum(not _decodes(line, "utf-8") for line in lines) <= len(lines) / 100:
        return "utf-8"  # rows with broken bytes: left out and counted
    chinese = _decodes(data, "gb18030") and len(re.findall(f"[{HAN}]", data.decode("gb18030"))) > len(data) / 10
    return "gb18030" if chinese else "cp1252"


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _is_lines(path: Path, encoding: str) -> bool:
    with path.open(encoding=reader_errors.readable(encoding)) as lines:
        return next((line.strip() for line in lines if line.strip()), "").startswith("{") and any(map(str.strip, lines))


def _delimited(path: Path, layout: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return separator, quoting and, where the first row is one of data, names of the columns."""
    usual = "\t" if path.suffix.lower() in {".tsv", ".tab"} else ","
    trials = itertools.product((True, False), dict.fromkeys([usual, *SEPARATORS]))
    read = [(quoting, mark, _rows(path, {**layout, "separator": mark, "quoting": quoting})) for quoting, mark in trials]
    if not any(len(rows[0]) > 1 for _, _, (rows, _) in read):
        raise SourceError(f"{path}: there is one column only; a table with texts and labels is needed")
    quoting, mark, (rows, _) = max(read, key=lambda entry: entry[2][1])
    keys: dict[str, Any] = {} if mark == usual else {"separator": mark}
    notes = [f"separator: {mark!r}"] if keys else []
    if not quoting:
        keys["quoting"] = False
        notes.append("quotation marks are characters like any other")
    if _is_data(rows):
        keys["column_names"] = [f"column_{number}" for number in range(1, len(rows[0]) + 1)]
        notes.append(f"no header: its columns are called {', '.join(keys['column_names'])}")
    return keys, notes


def _rows(path: Path, layout: dict[str, Any]) -> tuple[list[list[str]], tuple[float, int]]:
    """Return the first rows; and of all the share that has as many fields as the first (0: one field), and its number.

    The number tells quotation marks that are none: what seems to stand between two of them are rows.
    """
    config = SourceConfig.model_validate({"file": str(path), "text_column": _GUESSED, **layout})
    try:
        first, others = reader_errors.delimited_rows(path, config, errors="surrogateescape")
        if len(first) < 2:
            return [first], (0.0, 0)
        good: list[list[str]] = []
        counts = [0, 0]
        for row in others:
            counts[isinstance(row, BadRow)] += 1
            if not isinstance(row, BadRow) and len(good) < ROWS:
                good.append(row)
    except SourceError:  # a quotation mark that is never closed
        return [[]], (0.0, 0)
    return [first, *good], (counts[0] / max(1, sum(counts)), counts[0])


def _is_data(rows: list[list[str]]) -> bool:
    """Whether the first row is no header: a number, a long text, or a value that comes again below it."""
    first, others = rows[0], rows[1:]
    if len(set(first)) < len(first):
        return True
    for place, cell in enumerate(first):
        below = [row[place] for row in others]
        if len(cell) > LONG or "\n" in cell or cell.strip().lstrip("-").isdecimal() or (cell and cell in below):
            return True
    return False


# --- the columns --------------------------------------------------------------------------------------------------


def _columns(path: Path, config: SourceConfig, names: list[str]) -> Iterator[_Column]:
    for name in (name for name in names if names.count(name) == 1):
        chunk = next(read_columns(path, config, [name]), pd.DataFrame({name: []}, dtype="str"))
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
