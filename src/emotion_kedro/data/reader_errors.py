"""What is said when a source cannot be read: which file, which rows, which value, and what to do about it."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from emotion_kedro.config.data import SourceConfig

SHOWN = 12  # names, or rows, in a list
SNIPPET = 60  # characters of a row


class SourceError(ValueError):
    """A source cannot be read as its parameters say; the message names the file and the row, and what to do."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read."""

    row: int
    """Among the data rows, from 1; header and blank lines do not count."""
    line: int | None
    """In the file, from 1; None where it has no lines."""
    reason: str

    def __str__(self) -> str:
        """Where it is, and what is wrong with it."""
        return f"data row {self.row}{'' if self.line is None else f' (line {self.line})'}: {self.reason}"


def missing_file(path: Path) -> SourceError:
    """The file of a source is not there: say what is there instead."""
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    inside = _listed(sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())) or "nothing"
    close = get_close_matches(path.name, [entry.name for entry in folder.iterdir()], n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return SourceError(
        f"{path}: no such file{meant}. The folder {folder} holds: {inside}. Put the file there, correct `file` of "
        "the source, or say where the raw data lie: --params=raw_root=<folder>."
    )


def missing_column(path: Path, column: str, present: Iterable[str]) -> SourceError:
    """A column that the source names is not in the table."""
    return SourceError(
        f"{path}: there is no column {column!r}; the columns are: {_listed(map(repr, present))}. Correct "
        "`text_column` or `label_column`, check `separator` or `sheet`, or give `column_names` if the file has "
        "no header row."
    )


def undecodable(path: Path, encoding: str) -> SourceError:
    """The bytes of the file are not text in ``encoding``: say where and which."""
    data = path.read_bytes()
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        value = data[error.start : max(error.end, error.start + 1)]
        around = data[max(0, error.start - 15) : error.start + 15]
        place = f"line {line}: the bytes {value!r} (in {around!r}) are not {encoding}"
    else:
        place = f"the bytes are not {encoding}"
    return SourceError(f"{path}, {place}. Set `encoding` of the source, e.g. cp1252, latin-1 or gb18030.")


def bad_rows(path: Path, rows: Sequence[BadRow]) -> SourceError:
    """Rows of the file cannot be read: name the first of them, and how many there are."""
    return SourceError(
        f"{path}: {len(rows)} row(s) cannot be read: {_listed(map(str, rows), '; ')}. Correct them, or `separator`, "
        "`quoting`, `column_names` or `format` of the source, or leave them out with `bad_rows: drop`."
    )


def unreadable(path: Path, source: SourceConfig, reason: Exception) -> SourceError:
    """The parser of a delimited table gave up: name the rows if they can be found, else repeat what it says."""
    try:
        rows = wrong_rows(path, source)
    except UnicodeError:  # the slow way round meets bytes that the parser had not come to
        return undecodable(path, source.encoding)
    if rows:
        return bad_rows(path, rows)
    return SourceError(f"{path}: {reason}. Check `separator`, `quoting` and `encoding` of the source.")


def unknown_label(path: Path, source: SourceConfig, first: tuple[int, str, str], counts: dict[str, int]) -> SourceError:
    """A label of the source is in no map; ``first`` is its data row, value and field, ``counts`` all such labels."""
    row, value, field = first
    inside = "" if value == field else f" in {field!r}"
    what = f"unknown label {value!r}" if value else "there is no label"
    numbers = "" if source.label_names is None else f" `label_names` has labels 0 to {len(source.label_names) - 1}."
    others = _listed(f"{label!r}: {rows}" for label, rows in counts.items())
    return SourceError(
        f"{path}, data row {row}, column {source.label_column!r}: {what}{inside}.{numbers} "
        f"Rows with an unknown label: {sum(counts.values())} ({others}). Correct the table or the taxonomy, add it to "
        "`label_map` of the source, or set `unknown_labels: drop`."
    )


def readable(encoding: str) -> str:
    """``encoding``, or for UTF-8 the variant that skips a byte-order mark."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding


def quoting(source: SourceConfig) -> Literal[0, 3]:
    """The source's quoting as the constant that csv and pandas share."""
    return csv.QUOTE_MINIMAL if source.quoting else csv.QUOTE_NONE


def separator(path: Path, source: SourceConfig) -> str:
    """The character between the fields of a delimited table."""
    return source.separator or ("\t" if source.format_of(path) == "tsv" else ",")


def wrong_rows(path: Path, source: SourceConfig) -> list[BadRow]:
    """Return the rows of a delimited table with more or fewer fields than there are columns.

    Raises:
        SourceError: if a quotation mark is never closed: all that follows it is one field.
    """
    return [row for row in delimited_rows(path, source)[1] if isinstance(row, BadRow)]


def delimited_rows(
    path: Path, source: SourceConfig, *, errors: str = "strict"
) -> tuple[list[str], Iterator[list[str] | BadRow]]:
    """Read a delimited table row by row, slowly, so that every bad row can be named.

    Args:
        path: the table.
        source: how it is to be read.
        errors: ``surrogateescape`` makes a row of undecodable bytes a bad row.

    Returns:
        The names of the columns, and the fields of each data row, or what is wrong with it.
    """
    rows = _rows(path, source, errors)
    columns = list(source.column_names) if source.column_names else next(rows, (0, []))[1]
    return columns, _checked(path, source, rows, len(columns))


def _checked(
    path: Path, source: SourceConfig, rows: Iterator[tuple[int, list[str]]], width: int
) -> Iterator[list[str] | BadRow]:
    filled = ((line, fields) for line, fields in rows if len(fields) > 1 or "".join(fields).strip())
    between = separator(path, source)
    for row, (line, fields) in enumerate(filled, start=1):
        start = between.join(fields).partition(_END)[0][:SNIPPET]
        if _END in fields[-1]:
            opened = line - fields[-1].count("\n")
            raise SourceError(
                f"{path}, data row {row} (about line {opened}): a quotation mark is opened and never closed; the row "
                f"begins {start!r}. Close it, or set `quoting: false` if quotation marks are ordinary "
                "characters in this file."
            )
        if len(fields) != width:
            yield BadRow(row, line, f"{len(fields)} field(s) where there are {width} columns; it begins {start!r}")
        elif any("\udc80" <= character <= "\udcff" for field in fields for character in field):
            yield BadRow(row, line, f"bytes that are not {source.encoding}")
        else:
            yield fields


_END = "\0end of the file\0"
"""Stands behind the last line: if it is inside a field, a quotation mark was never closed."""


def _rows(path: Path, source: SourceConfig, errors: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each row of the file with the number of its last line."""
    limit = csv.field_size_limit(2**30)
    try:
        with path.open(encoding=readable(source.encoding), newline="", errors=errors) as lines:
            reader = csv.reader(
                itertools.chain(lines, [_END]), delimiter=separator(path, source), quoting=quoting(source)
            )
            for fields in reader:
                if fields != [_END]:
                    yield reader.line_num, fields
    finally:
        csv.field_size_limit(limit)


def _listed(names: Iterable[str], between: str = ", ") -> str:
    every = list(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return between.join(every[:SHOWN]) + more
