"""Excel workbooks: their sheets, and the rows of one of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data import reader_errors
from emotion_kedro.data.reader_errors import SourceError

COUNTED = 5000
"""Rows of a sheet, at most, that are counted to tell which one is the table."""
Objects = Iterator[tuple[int | None, Any]]
"""Each data row of a table: its line in the file where there is one, and column -> value; or a str: what is wrong."""


def sheets_of(path: Path) -> dict[str, tuple[list[str], int]]:
    """Return of each sheet what stands in its first row, and how many rows there are below it, counted up to 5,000.

    Raises:
        SourceError: if this is no workbook.
    """
    with _opened(path) as book:
        sheets = {}
        for sheet in book.worksheets:
            rows = (row for _, row in _filled_rows(sheet))
            names = [as_text(cell) for cell in next(rows, [])]
            sheets[str(sheet.title)] = (names, sum(1 for _ in itertools.islice(rows, COUNTED)))
        return sheets


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
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


def _filled_rows(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    lines = ((line, list(row)) for line, row in enumerate(sheet.iter_rows(values_only=True), start=1))
    return ((line, row) for line, row in lines if any(value is not None for value in row))


def rows_of_sheet(path: Path, source: SourceConfig, wanted: list[str]) -> Objects:
    """Yield the rows of the sheet that ``source`` names, or of the first.

    Raises:
        SourceError: if there is no such sheet, or it lacks a column.
    """
    with _opened(path) as book:
        yield from _rows_of(book, path, source, wanted)


def _rows_of(book: Any, path: Path, source: SourceConfig, wanted: list[str]) -> Objects:
    if source.sheet is not None and source.sheet not in book.sheetnames:
        raise SourceError(
            f"{path}: there is no sheet {source.sheet!r}; there are: {', '.join(book.sheetnames)}. Correct `sheet`."
        )
    filled = _filled_rows(book[source.sheet or book.sheetnames[0]])
    columns = list(source.column_names or map(as_text, next(filled, (0, []))[1]))
    reader_errors.check_columns(path, wanted, columns)
    for line, row in filled:
        if any(value is not None for value in row[len(columns) :]):
            yield line, f"more cells than the {len(columns)} columns"
        else:
            yield line, dict(itertools.zip_longest(columns, row[: len(columns)]))


def as_text(value: Any) -> str:
    """A whole number is written without a point, whatever column of numbers it stood in."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
