"""How predictions are written: csv, tsv, jsonl, parquet, xlsx."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.storage.chunks import write_parquet

SHEET_ROWS, CELL = 2**20 - 1, 2**15 - 1
"""Rows that a sheet of Excel has below its header, and characters that a cell holds."""


def writer_for(target: Path) -> Callable[[Path, Iterator[pd.DataFrame]], None]:
    """Return what writes tables, one below the other, into a file of this ending.

    Raises:
        ValueError: if there is nothing.
    """
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise ValueError(f"{target}: predictions are written as {', '.join(_WRITERS)}, by the file's ending")
    return write


def _write_delimited(separator: str) -> Callable[[Path, Iterator[pd.DataFrame]], None]:
    def write(file: Path, tables: Iterator[pd.DataFrame]) -> None:
        with file.open("w", encoding="utf-8", newline="") as stream:
            for number, table in enumerate(tables):
                table.to_csv(
                    stream,
                    sep=separator,
                    header=number == 0,
                    index=False,
                    quoting=csv.QUOTE_NONNUMERIC,  # of less, a carriage return would go unquoted, and break its row
                    lineterminator="\n",
                )

    return write


def _write_lines(file: Path, tables: Iterator[pd.DataFrame]) -> None:
    with file.open("w", encoding="utf-8") as stream:
        for table in tables:
            for row in table.astype(object).where(table.notna(), None).to_dict(orient="records"):
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_sheet(file: Path, tables: Iterator[pd.DataFrame]) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("predictions")
    rows = 0
    for table in tables:
        if rows == 0:
            sheet.append([_cell(sheet, name) for name in table.columns])
        rows += len(table)
        if rows > SHEET_ROWS:
            raise ValueError(f"a sheet of Excel ends after {SHEET_ROWS:,} rows; give --out a file that ends in .csv")
        for values in table.astype(object).where(table.notna(), None).itertuples(index=False, name=None):
            sheet.append([_cell(sheet, value) for value in values])
    book.save(file)


def _cell(sheet: Any, value: Any) -> Any:
    """Return what a cell is to show: of a text, never a formula, nor characters that Excel refuses."""
    if not isinstance(value, str):
        return value
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub(" ", value)[:CELL])
    cell.data_type = "s"
    return cell


_WRITERS: dict[str, Callable[[Path, Iterator[pd.DataFrame]], None]] = {
    ".csv": _write_delimited(","),
    ".tsv": _write_delimited("\t"),
    ".jsonl": _write_lines,
    ".parquet": write_parquet,
    ".xlsx": _write_sheet,
}
