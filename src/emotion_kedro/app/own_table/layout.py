"""How the file of a table is laid out: its format, encoding, sheet, separator, and whether it has a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from emotion_kedro.config.base import HAN
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data import reader_errors
from emotion_kedro.data.reader_errors import BadRow, SourceError

SEPARATORS = (",", ";", "\t", "|")
ROWS = 5000
"""Rows that a table is judged by."""
LONG = 60
"""Characters that no name of a column, and no label, has."""
SURE = 0.9
"""Share of its lines that a .txt of columns has as many fields in; a text a line has marks in any of them."""
UNKNOWN = "?"
"""Stands for the column of the texts as long as it is not known."""


def layout_of(path: Path, least: int = 2, named: Sequence[str | None] = ()) -> tuple[dict[str, Any], list[str]]:
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
    kind = _format(path)
    if kind == "xlsx":
        return _sheet(path, named)
    if kind == "parquet":
        return {}, []
    layout: dict[str, Any] = {} if (encoding := _encoding(path)) == "utf-8" else {"encoding": encoding}
    notes = [f"encoding: {encoding}, since it is not UTF-8"] if layout else []
    if kind == "json" and _is_lines(path, encoding):
        return {**layout, "format": "jsonl"}, [*notes, "format: an object a line"]
    if kind in {"json", "jsonl"}:
        return layout, notes
    delimited, remarks = _delimited(path, layout, least, named)
    return {**layout, **delimited}, [*notes, *remarks]


def _format(path: Path) -> str:
    encoding = "utf-16" if _is_utf16(path) else "utf-8"
    try:
        plain = SourceConfig(file=str(path), text_column=UNKNOWN, encoding=encoding)
        kind = plain.format_of(path)
    except ValueError as error:
        formats = "csv, tsv, txt, json, jsonl, parquet and xlsx are read"
        raise SourceError(f"{path}: the ending says no format; {formats}") from error
    if (wrong := reader_errors.of_another_kind(path, plain)) is not None:
        raise wrong
    return kind


def _sheet(path: Path, named: Sequence[str | None]) -> tuple[dict[str, Any], list[str]]:
    """Choose among several sheets the longest, or the longest that has the columns that are named."""
    sheets = _sheets_of(path)
    if not sheets:
        return {}, []
    wanted = set(filter(None, named))
    chosen = max(sheets, key=lambda name: (wanted <= sheets[name][0], sheets[name][1]))
    others = ", ".join(repr(name) for name in sheets if name != chosen)
    note = f"sheet: {chosen!r}; there is also {others} (`sheet` in the experiment's file names one)"
    return ({} if chosen == next(iter(sheets)) else {"sheet": chosen}), [note]


def _sheets_of(path: Path) -> dict[str, tuple[set[str], int]]:
    """Return what stands in the first row of each of several sheets, and how many rows there are below it."""
    from openpyxl import load_workbook

    try:
        with closing(load_workbook(path, read_only=True, data_only=True)) as book:
            sheets = book.worksheets if len(book.worksheets) > 1 else []
            return {str(sheet.title): _looked_at(sheet) for sheet in sheets}
    except Exception:  # whose many kinds the reader of the rows puts into words
        return {}


def _looked_at(sheet: Any) -> tuple[set[str], int]:
    sheet.reset_dimensions()  # they may be wrong
    rows = (row for row in sheet.iter_rows(values_only=True) if any(cell is not None for cell in row))
    return set(map(str, next(rows, ()))), sum(1 for _ in rows)


def _is_utf16(path: Path) -> bool:
    """Whether a file begins as Excel's "Unicode text" does."""
    with path.open("rb") as stream:
        return stream.read(2) in {b"\xff\xfe", b"\xfe\xff"}


def _encoding(path: Path) -> str:
    if _is_utf16(path):
        return "utf-16"
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
    with path.open(encoding=reader_errors.readable(encoding), errors="replace") as lines:
        return next((line.strip() for line in lines if line.strip()), "").startswith("{") and any(map(str.strip, lines))


def _delimited(
    path: Path, layout: dict[str, Any], least: int, named: Sequence[str | None]
) -> tuple[dict[str, Any], list[str]]:
    """Return separator, quoting and, where the first row is one of data, names of the columns."""
    usual = "\t" if path.suffix.lower() in {".tsv", ".tab"} else ","
    said = reader_errors.separator_line(path, layout.get("encoding", "utf-8"))
    marks = dict.fromkeys([said] if said else [usual, *SEPARATORS])
    doubtful = [mark for mark in marks if not _is_quoted(path, layout, mark)]
    trials = [*((True, mark) for mark in marks), *((False, mark) for mark in doubtful)]
    read = [(quoting, mark, _rows(path, {**layout, "separator": mark, "quoting": quoting})) for quoting, mark in trials]
    if all(len(rows[0]) < least for _, _, (rows, _) in read):
        raise SourceError(f"{path}: there is one column only; a table with texts and labels is needed")
    quoting, mark, (rows, score) = max(read, key=lambda trial: _fit(*trial[2]))
    if least == 1 and path.suffix.lower() == ".txt" and score[0] < SURE and not any(name in rows[0] for name in named):
        return {}, []
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
    config = SourceConfig.model_validate({"file": str(path), "text_column": UNKNOWN, **layout})
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


def _fit(rows: list[list[str]], score: tuple[float, int]) -> tuple[float, int, int]:
    """Return how well a separator fits; of a header alone, the number of its fields tells."""
    return (*score, len(rows[0]) if len(rows) == 1 else 0)


def _is_data(rows: list[list[str]]) -> bool:
    """Whether the first row is no header: a number, a long text, or a value that comes again below it."""
    first, others = rows[0], rows[1:]
    if len(first) == 1 and " " in first[0].strip():
        return True
    for place, cell in enumerate(first):
        below = [row[place] for row in others]
        if len(cell) > LONG or "\n" in cell or cell.strip().lstrip("-").isdecimal() or (cell and cell in below):
            return True
    return False
