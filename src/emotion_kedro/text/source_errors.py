"""What is said when a source cannot be read: which file, which row, which value, and what to do about it.

Nothing here runs while all is well; the functions go through a file a second time, slowly, to find the place.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from emotion_kedro.options import SourceOptions

SHOWN = 12  # names in a list
SNIPPET = 60  # characters of a row


class SourceError(ValueError):
    """A source cannot be read as its options say; the message names the file and the row, and what to do."""


def missing_file(path: Path) -> SourceError:
    """The file of a source is not there: say what is there instead."""
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    inside = _listed(sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())) or "nothing"
    return SourceError(
        f"{path}: no such file. The folder {folder} holds: {inside}. Put the file there, correct `file` of the source, "
        "or say where the raw data lie: --params=raw_root=<folder>."
    )


def missing_column(path: Path, column: str, present: Iterable[str]) -> SourceError:
    """A column that the options name is not in the table."""
    return SourceError(
        f"{path}: there is no column {column!r}; the columns are: {_listed(map(repr, present))}. Correct "
        "`text_column` or `label_column`, check `separator`, or give `column_names` if the file has no header row."
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


def wrong_row(path: Path, source: SourceOptions) -> SourceError | None:
    """Look for the first row with more or fewer fields than there are columns; None if all have the same."""
    for row, line, fields, expected in _rows(path, source):
        if len(fields) != expected:
            start = source.separator.join(fields)[:SNIPPET]
            return SourceError(
                f"{path}, data row {row} (line {line}): {len(fields)} field(s) where there are {expected} columns; "
                f"the row begins {start!r}. Correct the row, or `separator`, `quoting` or `column_names` of the source."
            )
    return None


def unreadable(path: Path, source: SourceOptions, reason: Exception) -> SourceError:
    """The parser gave up: name the row if it can be found, else repeat what the parser says."""
    try:
        found = _open_quotation(path, source) if "EOF inside string" in str(reason) else wrong_row(path, source)
    except UnicodeError:  # the slow way round meets bytes that the parser had not come to
        return undecodable(path, source.encoding)
    return found or SourceError(f"{path}: {reason}. Check `separator`, `quoting` and `encoding` of the source.")


def unknown_label(
    path: Path, source: SourceOptions, first: tuple[int, str, str], counts: dict[str, int]
) -> SourceError:
    """A label of the source is in no map; ``first`` is its data row, value and field, ``counts`` all such labels."""
    row, value, field = first
    inside = "" if value == field else f" in {field!r}"
    numbers = "" if source.label_names is None else f" `label_names` has labels 0 to {len(source.label_names) - 1}."
    others = _listed(f"{label!r}: {rows}" for label, rows in counts.items())
    return SourceError(
        f"{path}, data row {row}, column {source.label_column!r}: unknown label {value!r}{inside}.{numbers} "
        f"Rows with an unknown label: {sum(counts.values())} ({others}). Add it to `label_map` of the source, or set "
        "`unknown_labels: drop`."
    )


def readable(encoding: str) -> str:
    """``encoding``, or for UTF-8 the variant that skips a byte-order mark."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding


def quoting(source: SourceOptions) -> Literal[0, 3]:
    """The source's quoting as the constant that csv and pandas share."""
    return csv.QUOTE_MINIMAL if source.quoting else csv.QUOTE_NONE


def _open_quotation(path: Path, source: SourceOptions) -> SourceError:
    last, start = 0, "in the header"
    for row, _, fields, _ in _rows(path, source):  # the last row begins with the mark and swallows all that follows
        last, start = row, source.separator.join(fields)[:SNIPPET]
    return SourceError(
        f"{path}, data row {last}: a quotation mark is opened and never closed; the row begins {start!r}. Close it, or "
        "set `quoting: false` if quotation marks are ordinary characters in this file."
    )


def _rows(path: Path, source: SourceOptions) -> Iterator[tuple[int, int, list[str], int]]:
    """Yield each data row: its number, its (last) line in the file, its fields, and how many there should be."""
    limit = csv.field_size_limit(2**30)
    try:
        with path.open(encoding=readable(source.encoding), newline="") as lines:
            reader = csv.reader(lines, delimiter=source.separator, quoting=quoting(source))
            expected = len(source.column_names or next(reader, []))
            filled = (fields for fields in reader if len(fields) > 1 or "".join(fields).strip())
            for row, fields in enumerate(filled, start=1):
                yield row, reader.line_num, fields, expected
    finally:
        csv.field_size_limit(limit)


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more
