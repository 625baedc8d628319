"""What is said when a source cannot be read: which file, which rows, which value, and what to do about it."""

from __future__ import annotations

import csv
import itertools
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from emotion_kedro.config.data import SourceConfig
from emotion_kedro.config.taxonomy import spelling

logger = logging.getLogger(__name__)

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


def without_keys(message: str) -> str:
    """Return a message without what it says of keys of a YAML file, for somebody who wrote none."""
    first, *others = re.split(r"(?<=[.?]) (?=[A-Z])", message)
    first = re.sub(r"[;,] [^;,`]*`[a-z_]+`.*$| \(see `[^)]*\)", "", first)
    return " ".join([first, *(sentence for sentence in others if "`" not in sentence)])


def missing_file(path: Path) -> SourceError:
    """The file of a source is not there: say what is there instead."""
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises an error of what is too long for a name
        return SourceError(f"{path}: this is a folder; name its files, e.g. {path.name}/*.csv")
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    entries = sorted(folder.iterdir())
    inside = listed(entry.name + "/" * entry.is_dir() for entry in entries) or "nothing"
    close = get_close_matches(path.parts[len(folder.parts)], [entry.name for entry in entries], n=1)
    meant = f"; did you mean {close[0]}?" if close else "."
    return SourceError(
        f"{path}: no such file{meant} The folder {folder} holds: {inside}. Put the file there, correct `file` of "
        "the source, or say where the raw data lie: --params=raw_root=<folder>."
    )


def missing_column(path: Path, column: str, present: Iterable[str]) -> SourceError:
    """A column that the source names is not in the table."""
    columns = list(present)
    if not columns:
        return empty(path)
    by_spelling = {spelling(each): each for each in columns}
    near = by_spelling.get(spelling(column)) or next(iter(get_close_matches(column, columns, n=1)), None)
    between = next((mark for mark in ";\t|," if len(columns) == 1 and mark in columns[0]), None)
    hint = f"; did you mean {near!r}?" if near else f"; is `separator` {between!r}?" if between else "."
    return SourceError(
        f"{path}: there is no column {column!r}; the columns are: {listed(map(repr, columns))}{hint} Correct "
        "`text_column` or `label_column`, check `separator` or `sheet`, or give `column_names` if the file has "
        "no header row."
    )


def check_columns(path: Path, wanted: Iterable[str], columns: Iterable[str]) -> None:
    """Raise an error if a column that is wanted is not there, or twice."""
    present = list(columns)
    for column in wanted:
        if column not in present:
            raise missing_column(path, column, present)
        if present.count(column) > 1:
            if not column:
                raise SourceError(
                    f"{path}: several columns have no name in the first row; if the header stands further down, delete "
                    "what is above it"
                )
            raise SourceError(
                f"{path}: the column {column!r} is there twice; rename one of them, or name all by `column_names`"
            )


def empty(path: Path) -> SourceError:
    """There is nothing in the file."""
    return SourceError(f"{path}: the file is empty")


def of_another_kind(path: Path, source: SourceConfig) -> SourceError | None:
    """Return what is to be said of a file that is no text, or another kind of it; None: it may be what it should."""
    kind = source.format_of(path)
    if kind in {"xlsx", "parquet"}:
        return None
    with path.open("rb") as stream:
        start = stream.read(400)
    for mark, what, advice in (*_KINDS, *_TEXTS) if kind in {"csv", "tsv"} else _KINDS:
        if start.startswith(mark) or start.lstrip().lower().startswith(mark):
            if mark == _ZIP and b"[Content_Types].xml" in start + path.read_bytes()[-4000:]:
                what, advice = "an Excel workbook", "set `format: xlsx` of the source"
            return SourceError(f"{path}: this is {what}; {advice}")
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if marked is None and start[1:200:2].count(0) > 40:
        marked = "utf-16-le"
    if marked is not None and not source.encoding.lower().replace("_", "-").startswith(marked[:6]):
        return SourceError(f"{path}: this is {marked[:6].upper()}; set `encoding: {marked}` of the source")
    return None


_ZIP = b"PK\x03\x04"
_UNPACK, _NO_TABLE, _EXPORT = "unpack it first", "a table is needed", "export the table as CSV or Parquet"
_JSON = "set `format: json` of the source, or `format: jsonl`"
_KINDS = (
    (_ZIP, "a zip archive", _UNPACK),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"PAR1", "a Parquet table", "set `format: parquet` of the source"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook of old Excel", "save it as .xlsx"),
    (b"SQLite format 3\0", "an SQLite database", _EXPORT),
    (b"%PDF-", "a PDF document", _NO_TABLE),
    (b"\x89PNG", "a PNG picture", _NO_TABLE),
    (b"\xff\xd8\xff", "a JPEG picture", _NO_TABLE),
    (b"\x80\x04", "a pickle, which is never read", _EXPORT),
    (b"\x80\x05", "a pickle, which is never read", _EXPORT),
)
_TEXTS = (
    (b"<!doctype html", "a web page, perhaps a login page", "download the file anew"),
    (b"<html", "a web page, perhaps a login page", "download the file anew"),
    (b"version https://git-lfs", "a pointer of Git LFS", "bring the file itself with: git lfs pull"),
    (b"[{", "JSON", _JSON),
    (b'{"', "JSON", _JSON),
)
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
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
        f"{counted_rows(path, rows)}. Correct them, or `separator`, "
        "`quoting`, `column_names` or `format` of the source, or leave them out with `bad_rows: drop`."
    )


def counted_rows(path: Path, rows: Sequence[BadRow]) -> str:
    """Return how many rows of a file cannot be read, and the first of them."""
    return f"{path}: {len(rows)} row(s) cannot be read: {listed(map(str, rows), '; ')}"


def unreadable(path: Path, source: SourceConfig, reason: Exception) -> SourceError:
    """The parser of a delimited table gave up: name the rows if they can be found, else repeat what it says."""
    try:
        rows = wrong_rows(path, source)
    except UnicodeError:  # the slow way round meets bytes that the parser had not come to
        return undecodable(path, source.encoding)
    if rows:
        return bad_rows(path, rows)
    return SourceError(f"{path}: {reason}. Check `separator`, `quoting` and `encoding` of the source.")


def unknown_label(
    path: Path, source: SourceConfig, first: tuple[int, str, str], counts: dict[str, int], known: Iterable[str] = ()
) -> SourceError:
    """A label of the source is in no map; ``first`` is its data row, value and field, ``counts`` all such labels."""
    row, value, field = first
    inside = "" if value == field else f" in {field!r}"
    what = f"unknown label {value!r}" if value else "there is no label"
    numbers = "" if source.label_names is None else f" `label_names` has labels 0 to {len(source.label_names) - 1}."
    if source.label_names is None and value.isdecimal():
        numbers = " If the file numbers its labels, name them by `label_names`."
    between = next((mark for mark in ",;|/" if source.label_separator is None and mark in value), None)
    if between is not None:
        numbers += f" If that is several labels, set `label_separator: {between!r}`."
    near = get_close_matches(value, sorted(known), n=1)
    numbers += f" Did you mean {near[0]}?" if near else ""
    others = listed(f"{label!r}: {rows}" for label, rows in counts.items())
    return SourceError(
        f"{path}, data row {row}, column {source.label_column!r}: {what}{inside}.{numbers} "
        f"Rows with an unknown label: {sum(counts.values())} ({others}). Correct the table or the taxonomy, add it to "
        "`label_map` of the source, or set `unknown_labels: drop`."
    )


def shown(counts: Mapping[str, int]) -> str:
    """Return labels with their rows, the most frequent first, as many as can be read at a glance."""
    return listed(
        f"{repr(label) if label else 'none'}: {rows}"
        for label, rows in sorted(counts.items(), key=lambda entry: -entry[1])
    )


def warn_of_labels(name: str, respelt: Mapping[str, str], unknown: Mapping[str, int], rows: int) -> None:
    """Say once of a source which labels were read as others, and which rows are left out for theirs."""
    if respelt:
        pairs = listed(f"{label!r} as {target}" for label, target in respelt.items())
        logger.warning("source %s: labels that differ by case or space alone are read as one: %s", name, pairs)
    if unknown:
        lost = sum(unknown.values())
        logger.warning(
            "source %s: %d of %d rows are left out for an unknown label (%s)", name, lost, rows, shown(unknown)
        )


def check_lost(what: str, lost: int, rows: int, counts: Mapping[str, int], max_lost: float) -> None:
    """Stop if too many rows are dropped for their labels.

    Raises:
        SourceError: if it is more than the share ``max_lost`` of the rows.
    """
    if rows and lost > max_lost * rows:
        raise SourceError(
            f"{what}: {lost} of {rows} rows ({100 * lost / rows:.0f} %) would be dropped for their labels: "
            f"{shown(counts)}. Correct `label_map` or `taxonomy`, or allow it by `records.max_lost` (now {max_lost:g})."
        )


def readable(encoding: str) -> str:
    """``encoding``, or for UTF-8 the variant that skips a byte-order mark."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding


def quoting(source: SourceConfig) -> Literal[0, 3]:
    """The source's quoting as the constant that csv and pandas share."""
    return csv.QUOTE_MINIMAL if source.quoting else csv.QUOTE_NONE


def separator(path: Path, source: SourceConfig) -> str:
    """The character between the fields of a delimited table."""
    usual = "\t" if source.format_of(path) == "tsv" else ","
    return source.separator or separator_line(path, source.encoding) or usual


def separator_line(path: Path, encoding: str) -> str | None:
    """The character that a first line ``sep=;`` tells Excel, and is no row of the table; None: there is none."""
    with path.open(encoding=readable(encoding), errors="replace") as lines:
        found = re.fullmatch(r'sep=([^"\n])\n?', lines.readline(20), re.I)
    return found and found[1]


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

    With ``errors="surrogateescape"`` a row of undecodable bytes is a bad row.

    Returns:
        The names of the columns, and the fields of each data row, or what is wrong with it.
    """
    rows = ((line, row) for line, row in _rows(path, source, errors) if len(row) > 1 or "".join(row).strip())
    columns = list(source.column_names) if source.column_names else next(rows, (0, []))[1]
    return columns, _checked(path, source, rows, len(columns))


def _checked(
    path: Path, source: SourceConfig, rows: Iterator[tuple[int, list[str]]], width: int
) -> Iterator[list[str] | BadRow]:
    between = separator(path, source)
    for row, (line, fields) in enumerate(rows, start=1):
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
    skipped = int(separator_line(path, source.encoding) is not None)
    try:
        with path.open(encoding=readable(source.encoding), newline="", errors=errors) as file:
            lines = itertools.islice(file, skipped, None)
            reader = csv.reader(
                itertools.chain(lines, [_END]), delimiter=separator(path, source), quoting=quoting(source)
            )
            for fields in reader:
                if fields != [_END]:
                    yield reader.line_num + skipped, fields
    finally:
        csv.field_size_limit(limit)


def listed(names: Iterable[str], between: str = ", ") -> str:
    """Return the first of some names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return between.join(every[:SHOWN]) + more
