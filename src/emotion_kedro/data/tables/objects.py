"""The rows of a table as objects, column -> value: JSON, JSON lines and Excel; and their fields as strings."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data import reader_errors
from emotion_kedro.data.reader_errors import SourceError

Objects = Iterator[tuple[int | None, Any]]
"""Each data row of a table: its line in the file where there is one, and column -> value; or a str: what is wrong."""
Cells = tuple[Any, ...]
HALF = re.compile("[\ud800-\udfff]")
"""A half of a character, as JSON may spell it: what was cut off behind it was the other one. No file can hold it."""
SEEN = 200
"""Rows that say which columns there are."""


def fields_of(value: Any, source: SourceConfig, wanted: list[str]) -> list[str] | str:
    """Return the fields of a row as strings; or a str that says what is wrong with it."""
    if not isinstance(value, dict):
        return value if isinstance(value, str) else f"no object, but {json.dumps(value)[: reader_errors.SNIPPET]}"
    needed = {source.text_column, source.label_column, source.other_label_column, source.group_column}
    try:
        return [_needed(value, column, source) if column in needed else _kept(value.get(column)) for column in wanted]
    except _FieldError as error:
        return str(error)


class _FieldError(ValueError):
    """A field cannot be read, and its row cannot without it."""


def _needed(row: dict[str, Any], column: str, source: SourceConfig) -> str:
    if column not in row:
        raise _FieldError(f"it has no {column!r}")
    entry = row[column]
    try:
        if isinstance(entry, list | tuple) and column == source.label_column and source.label_separator:
            entry = source.label_separator.join(map(_as_text, entry))
        if isinstance(entry, list | tuple | dict):
            start = str(entry)[: reader_errors.SNIPPET]
            raise _FieldError(f"{column!r} holds {start}, not one value (see `label_separator`)")
        text = _as_text(entry)
    except UnicodeDecodeError:
        raise _FieldError(f"{column!r} holds bytes that are not UTF-8") from None
    if half := HALF.search(text):
        raise _FieldError(f"{column!r} holds half of a character, {half[0]!r}: its text was cut off there")
    return text


def _kept(value: Any) -> str:
    """Return a field that is kept beside the others as it is, whatever it is."""
    if isinstance(value, list | dict):
        text = json.dumps(value, ensure_ascii=False, default=_kept)
    else:
        text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else _as_text(value)
    return HALF.sub("\ufffd", text)


def _as_text(value: Any) -> str:
    """A whole number is written without a point, whatever column of numbers it stood in; bytes are a text."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def json_objects(path: Path, source: SourceConfig, wanted: list[str]) -> Objects:
    """Yield the objects of a JSON list."""
    text = path.read_text(encoding=reader_errors.readable(source.encoding))
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{path}, line {error.lineno}: this is not JSON ({error.msg}). Correct it, or set `format: jsonl` if every "
            "line is an object of its own."
        ) from None
    except RecursionError:
        raise SourceError(f"{path}: this JSON is nested too deep; a list of objects is needed") from None
    except ValueError:
        raise SourceError(f"{path}: {_ENDLESS}; put it in quotation marks") from None
    if not isinstance(rows, list):
        raise SourceError(f"{path}: a list of objects is needed, and this is {type(rows).__name__}")
    yield from ((None, _object(row)) for row in rows)


def line_objects(path: Path, source: SourceConfig, wanted: list[str]) -> Objects:
    """Yield the objects of a file that has one a line."""
    with path.open(encoding=reader_errors.readable(source.encoding)) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield number, _object(json.loads(line))
            except (ValueError, RecursionError) as error:
                reason = _reason(error)
                yield number, f"no JSON ({reason}); it begins {line[: reader_errors.SNIPPET]!r}"


_ENDLESS = "a whole number in it has too many digits to be read"


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "nested too deep" if isinstance(error, RecursionError) else _ENDLESS


def _object(value: Any) -> Any:
    """A bare string is a value of the file, not what is wrong with it."""
    return value if not isinstance(value, str) else f"no object, but {value[: reader_errors.SNIPPET]!r}"


def sheet_objects(path: Path, source: SourceConfig, wanted: list[str]) -> Objects:
    """Yield the rows of a sheet of an .xlsx workbook."""
    with _workbook(path) as book:
        columns, rows = _table_of(book, path, source)
        reader_errors.check_columns(path, wanted, columns)
        for line, row in rows:
            # What stands beside the columns of a header has no name, and nobody can want it.
            if source.column_names and len(row) > len(columns):
                yield line, f"more cells than the {len(columns)} columns"
            else:
                yield line, dict(itertools.zip_longest(columns, row[: len(columns)]))


def sheet_columns(path: Path, source: SourceConfig) -> list[str]:
    """Return the names of the columns of a sheet, as they stand in its header: empty, or twice, too."""
    with _workbook(path) as book:
        return _table_of(book, path, source)[0]


@contextlib.contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    from openpyxl import load_workbook

    book = None
    try:
        book = load_workbook(path, read_only=True, data_only=True)
        yield book
    except SourceError:
        raise
    except Exception as error:  # zipfile, zlib, the XML parser and openpyxl have errors of many kinds
        raise SourceError(f"{path}: this is no .xlsx workbook, or it is damaged ({error})") from None
    finally:
        if book is not None:
            book.close()


def _table_of(book: Any, path: Path, source: SourceConfig) -> tuple[list[str], Iterator[tuple[int, Cells]]]:
    """Return the names of the columns, empty for one that has none, and the rows that are not empty."""
    sheet = _sheet_of(book, path, source)
    sheet.reset_dimensions()  # some programs write wrong ones, and what lies outside them would be lost
    lines = ((line, _cut(row)) for line, row in enumerate(sheet.iter_rows(values_only=True), start=1))
    filled = ((line, row) for line, row in lines if row)
    if source.column_names:
        return list(source.column_names), filled
    header = [_as_text(cell) for cell in next(filled, (0, ()))[1]]
    first = list(itertools.islice(filled, SEEN))
    width = max((len(row) for _, row in first), default=0)
    return header + [""] * (width - len(header)), itertools.chain(first, filled)


def _sheet_of(book: Any, path: Path, source: SourceConfig) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}  # a chart may have a sheet of its own, without cells
    if not sheets:
        raise SourceError(f"{path}: there are charts in it and no table; save the table as a sheet")
    if source.sheet is not None and source.sheet not in sheets:
        raise SourceError(
            f"{path}: there is no sheet {source.sheet!r}; there are: {', '.join(sheets)}. Correct `sheet`."
        )
    return sheets[source.sheet or next(iter(sheets))]


def _cut(row: Cells) -> Cells:
    """Leave out the cells at the end that are empty, of which a coloured row may have thousands."""
    end = len(row)
    while end and row[end - 1] is None:
        end -= 1
    return row[:end]
