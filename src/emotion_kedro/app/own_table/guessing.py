"""How a table is to be read: its format, and which of its columns are the texts and the labels."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.config.base import HAN
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data import reader_errors
from emotion_kedro.data.reader_errors import BadRow, SourceError, listed
from emotion_kedro.data.tables import columns_of, read_columns

SEPARATORS = (",", ";", "\t", "|")
LINES = {"format": "csv", "column_names": ["text"], "separator": "\x1f", "quoting": False}
"""How a file is read that has a text a line: as a table whose separator stands nowhere."""
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
    config, names, notes = _opened(path, _layout(path, named=(text, label)), text, label)
    columns = list(_columns(path, config, names))
    if not columns:
        raise SourceError(f"{path}: the table has no rows")
    texts = [text] if text else _texts(columns, label)
    labels = [label] if label else _labels(columns, (texts or [""])[0])
    for what, candidates in (("text", texts), ("label", labels)):
        if not candidates:
            raise _no_column(path, what, names)
    by_name = {column.name: column for column in columns}
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
    for what in ("format", "separator", "encoding", "quoting", "column_names"):
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
    layout, notes = _layout(path, least=1, named=(text,))
    if path.suffix.lower() == ".txt" and text is None and "separator" not in layout:
        layout, notes = {**LINES, **{key: layout[key] for key in ("encoding",) if key in layout}}, []
    config, names, notes = _opened(path, (layout, notes), text)
    if text is None:
        obvious = names if len(names) == 1 else [name for name in names if name == "text"]
        columns = {} if obvious else {column.name: column for column in _columns(path, config, names)}
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
    first = (layout.get("column_names") or [_GUESSED])[0]
    config = SourceConfig.model_validate({"file": str(path), "text_column": first, "bad_rows": "drop", **layout})
    names = columns_of(path, config)
    for name in filter(None, wanted):
        if name not in names:
            raise reader_errors.missing_column(path, name, names)
    return config, names, list(notes)


def _no_column(path: Path, what: str, names: list[str]) -> SourceError:
    columns = listed(map(repr, names))
    return SourceError(f"{path}: no column looks like a {what}; there are: {columns}. Name it: --{what} COLUMN")


# --- the file -----------------------------------------------------------------------------------------------------


def _layout(path: Path, least: int = 2, named: Sequence[str | None] = ()) -> tuple[dict[str, Any], list[str]]:
    """Return the keys of a source that say how the file is read, and what is to be said of them.

    Args:
        path: the file.
        least: columns that it has at least.
        named: some of them, if there is a header.
    """
    if not path.is_file():
        raise reader_errors.missing_file(path)
    if path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty")
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
    delimited, remarks = _delimited(path, layout, least, named)
    return {**layout, **delimited}, [*notes, *remarks]


def _encoding(path: Path) -> str:
    with path.open("rb") as lines:
        decoded = [0, 0]
        for line in lines:
            decoded[_decodes(line, "utf-8")] += 1
    if decoded[0] <= sum(decoded) / 100:
        return "utf-8"  # rows with broken bytes, if any: left out and counted
    data = path.read_bytes()
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


def _delimited(
    path: Path, layout: dict[str, Any], least: int, named: Sequence[str | None]
) -> tuple[dict[str, Any], list[str]]:
    """Return separator, quoting and, where the first row is one of data, names of the columns."""
    usual = "\t" if path.suffix.lower() in {".tsv", ".tab"} else ","
    marks = dict.fromkeys([usual, *SEPARATORS])
    doubtful = [mark for mark in marks if not _is_quoted(path, layout, mark)]
    trials = [*((True, mark) for mark in marks), *((False, mark) for mark in doubtful)]
    read = [(quoting, mark, _rows(path, {**layout, "separator": mark, "quoting": quoting})) for quoting, mark in trials]
    if all(len(rows[0]) < least for _, _, (rows, _) in read):
        raise SourceError(f"{path}: there is one column only; a table with texts and labels is needed")
    quoting, mark, (rows, _) = max(read, key=lambda entry: entry[2][1])
    keys: dict[str, Any] = {} if mark == usual else {"separator": mark}
    notes = [f"separator: {mark!r}"] if keys else []
    if not quoting:
        keys["quoting"] = False
        notes.append("quotation marks are characters like any other")
    if not any(name in rows[0] for name in named) and _is_data(rows):
        keys["column_names"] = [f"column_{number}" for number in range(1, len(rows[0]) + 1)]
        notes.append(f"no header: its columns are called {', '.join(keys['column_names'])}")
    return keys, notes


def _is_quoted(path: Path, layout: dict[str, Any], mark: str) -> bool:
    """Whether all quotation marks stand as around fields: at their ends, and doubled within."""
    encoding = reader_errors.readable(layout.get("encoding", "utf-8"))
    try:
        with path.open(encoding=encoding, newline="", errors="replace") as lines:
            for _ in csv.reader(lines, delimiter=mark, strict=True):
                pass
    except csv.Error:
        return False
    return True


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
    filled = [cell for cell in first if cell]
    if len(set(filled)) < len(filled) or (len(first) == 1 and " " in first[0].strip()):
        return True
    for place, cell in enumerate(first):
        below = [row[place] for row in others]
        if len(cell) > LONG or "\n" in cell or cell.strip().lstrip("-").isdecimal() or (cell and cell in below):
            return True
    return False


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
