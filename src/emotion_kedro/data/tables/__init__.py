"""Raw tables of any format, as columns of strings."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.errors import EmptyDataError, ParserError
from pyarrow import ArrowException

from emotion_kedro.config.base import files_named
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data import reader_errors
from emotion_kedro.data.reader_errors import BadRow, SourceError
from emotion_kedro.data.tables.objects import (
    HALF,
    SEEN,
    Objects,
    fields_of,
    json_objects,
    line_objects,
    sheet_columns,
    sheet_objects,
)
from emotion_kedro.storage.chunks import CHUNK_ROWS, ahead, batch_of, frame_of

Piece = tuple[np.ndarray, pa.RecordBatch]
"""Rows of a table, with their numbers among the data rows, from 0."""


def files_of(root: Path, name: str, patterns: Sequence[str]) -> dict[str, Path]:
    """Return the files of a source, in order: as they are named in reports -> where they lie.

    Raises:
        SourceError: if a file is not there, or named twice.
    """
    files: dict[str, Path] = {}
    for pattern in patterns:
        matching = files_named(root, pattern)
        if not matching:
            raise reader_errors.missing_file(root / Path(pattern).expanduser())
        if twice := [shown for shown in matching if shown in files]:
            raise SourceError(f"source {name}: `file` names {twice[0]} twice; leave one out")
        files |= matching
    return files


def prefixes_of(name: str, files: dict[str, Path]) -> list[str]:
    """Return the first part of the record ids of each file: the source, and the file where it has several."""
    stems = [path.stem for path in files.values()]
    if len(stems) == 1:
        return [name]
    return [f"{name}:{part}" for part in (stems if len(set(stems)) == len(stems) else files)]


def read_columns(
    path: Path, source: SourceConfig, columns: Sequence[str], dropped: list[BadRow] | None = None
) -> Iterator[pd.DataFrame]:
    """Yield what :func:`read_batches` does as data frames of strings; index: data row - 1."""
    for rows, batch in read_batches(path, source, columns, dropped):
        yield frame_of([batch]).set_axis(rows)


def read_batches(
    path: Path, source: SourceConfig, columns: Sequence[str], dropped: list[BadRow] | None = None
) -> Iterator[Piece]:
    """Yield these columns of a table piece by piece, as strings or dictionaries of them; a missing value is empty.

    Beside them the numbers of data rows - 1. Rows that could not be read are added to ``dropped``, for
    ``bad_rows: drop``.

    Raises:
        SourceError: if the file is malformed, lacks a column, or has bad rows that are not to be dropped.
    """
    if not path.is_file():
        raise reader_errors.missing_file(path)
    names = list(dict.fromkeys(columns))
    bad: list[BadRow] = []
    with _in_words(path, source):
        if (error := reader_errors.of_another_kind(path, source)) is not None:
            raise error
        for piece in ahead(_READERS[source.format_of(path)](path, source, names, bad)):
            yield (piece.index.to_numpy(), batch_of(piece)) if isinstance(piece, pd.DataFrame) else piece
    if bad and source.bad_rows == "error":
        raise reader_errors.bad_rows(path, bad)
    if dropped is not None:
        dropped.extend(bad)


def columns_of(path: Path, source: SourceConfig) -> list[str]:
    """Return the names of a table's columns; of objects those that most of the first ones have.

    Raises:
        SourceError: if the file cannot be read.
    """
    with _in_words(path, source):
        return _columns_of(path, source, source.format_of(path))


@contextlib.contextmanager
def _in_words(path: Path, source: SourceConfig) -> Iterator[None]:
    """Say of errors of the bytes, and of the disk, which file has them."""
    try:
        yield
    except UnicodeError:
        raise reader_errors.undecodable(path, source.encoding) from None
    except OSError as error:
        raise SourceError(f"{path}: the file cannot be read ({error.strerror or error})") from None


def _columns_of(path: Path, source: SourceConfig, kind: str) -> list[str]:
    if kind in {"csv", "tsv"}:
        return reader_errors.delimited_rows(path, source, errors="surrogateescape")[0]
    if kind == "parquet":
        return _parquet_table(path).schema_arrow.names
    if kind == "xlsx":
        return sheet_columns(path, source)
    objects = {"json": json_objects, "jsonl": line_objects}[kind](path, source, [])
    rows = [row for _, row in itertools.islice(objects, SEEN) if isinstance(row, dict)]
    counts = Counter(key for row in rows for key in row)
    return [name for name, count in counts.items() if 2 * count > len(rows) and not HALF.search(name)]


def _read_delimited(path: Path, source: SourceConfig, wanted: list[str], bad: list[BadRow]) -> Iterator[pd.DataFrame]:
    if source.bad_rows == "drop":
        yield from _read_row_by_row(path, source, wanted, bad)
        return
    # pandas gives repeated names new ones.
    reader_errors.check_columns(path, wanted, reader_errors.delimited_rows(path, source)[0] or wanted)
    try:
        yield from _parse(path, source, wanted)
    except EmptyDataError:
        raise reader_errors.empty(path) from None
    except ParserError as error:
        raise reader_errors.unreadable(path, source, error) from error


def _parse(path: Path, source: SourceConfig, wanted: list[str]) -> Iterator[pd.DataFrame]:
    arguments: dict[str, Any] = {"names": list(source.column_names), "header": None} if source.column_names else {}
    # All columns are parsed, not only those: with `usecols` pandas would accept rows with too many fields.
    with pd.read_csv(
        path,
        sep=reader_errors.separator(path, source),
        quoting=reader_errors.quoting(source),
        encoding=reader_errors.readable(source.encoding),
        dtype=str,
        keep_default_na=False,
        chunksize=CHUNK_ROWS,
        skiprows=int(reader_errors.separator_line(path, source.encoding) is not None),
        **arguments,
    ) as reader:
        searched = False
        for chunk in reader:
            reader_errors.check_columns(path, wanted, map(str, chunk.columns))
            # pandas fills a short row up with empty fields, and takes the first of too many for an index.
            suspicious = not isinstance(chunk.index, pd.RangeIndex) or bool((chunk.iloc[:, -1] == "").any())
            if suspicious and not searched:
                searched = True
                if rows := reader_errors.wrong_rows(path, source):
                    raise reader_errors.bad_rows(path, rows)
            yield chunk[wanted]


def _read_row_by_row(path: Path, source: SourceConfig, wanted: list[str], bad: list[BadRow]) -> Iterator[pd.DataFrame]:
    columns, rows = reader_errors.delimited_rows(path, source, errors="surrogateescape")
    if not columns:
        raise reader_errors.empty(path)
    reader_errors.check_columns(path, wanted, columns)
    places = [columns.index(column) for column in wanted]
    good = ((row, [fields[place] for place in places]) for row, fields in _numbered_rows(rows, bad))
    yield from _chunks(good, wanted)


def _numbered_rows(rows: Iterator[list[str] | BadRow], bad: list[BadRow]) -> Iterator[tuple[int, list[str]]]:
    for row, fields in enumerate(rows):
        if isinstance(fields, BadRow):
            bad.append(fields)
        else:
            yield row, fields


def _chunks(rows: Iterable[tuple[int, list[str]]], columns: list[str]) -> Iterator[pd.DataFrame]:
    """Put rows of strings together to tables of :data:`CHUNK_ROWS`."""
    rows = iter(rows)
    while part := list(itertools.islice(rows, CHUNK_ROWS)):
        yield pd.DataFrame([values for _, values in part], index=[row for row, _ in part], columns=columns, dtype="str")


def _of_objects(objects: Callable[[Path, SourceConfig, list[str]], Objects]) -> Callable[..., Iterator[pd.DataFrame]]:
    """Make a reader of columns from one that yields each row as column -> value."""

    def read(path: Path, source: SourceConfig, wanted: list[str], bad: list[BadRow]) -> Iterator[pd.DataFrame]:
        first: list[str] = []
        rows = 0

        def good() -> Iterator[tuple[int, list[str]]]:
            nonlocal rows, first
            for row, (line, value) in enumerate(objects(path, source, wanted)):
                first = first or (list(value) if isinstance(value, dict) else [])
                fields = fields_of(value, source, wanted)
                if isinstance(fields, str):
                    bad.append(BadRow(row + 1, line, fields))
                else:
                    rows += 1
                    yield row, fields

        yield from _chunks(good(), wanted)
        if not rows and first:
            reader_errors.check_columns(path, wanted, first)

    return read


def _parquet_table(path: Path, repeating: Sequence[str] = ()) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, read_dictionary=list(repeating))
    except (ArrowException, OSError) as error:
        raise SourceError(f"{path}: this is no Parquet file ({str(error).splitlines()[0]})") from None


def _read_parquet(
    path: Path, source: SourceConfig, wanted: list[str], bad: list[BadRow]
) -> Iterator[pd.DataFrame | Piece]:
    """Take columns of texts and whole numbers as they are; values of other kinds are looked at one by one."""
    with _parquet_table(path) as table:
        reader_errors.check_columns(path, wanted, table.schema_arrow.names)
        kinds = [table.schema_arrow.field(column).type for column in wanted]
    kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
    if not all(kind in (pa.string(), pa.large_string()) or pa.types.is_integer(kind) for kind in kinds):
        yield from _of_objects(_parquet)(path, source, wanted, bad)
        return
    row = 0
    for batch in _batches(path, wanted, repeating=[source.label_column] if source.label_column in wanted else []):
        texts = [_strings(batch.column(column)) for column in wanted]
        yield np.arange(row, row + len(batch)), pa.RecordBatch.from_arrays(texts, wanted)
        row += len(batch)


def _strings(column: pa.Array) -> pa.Array:
    """Return texts or whole numbers as strings, or as a dictionary of strings where they are a dictionary of those."""
    if pa.types.is_dictionary(column.type) and column.null_count == 0 and pa.types.is_string(column.type.value_type):
        return column
    return column.cast(pa.large_string()).fill_null("")


def _parquet(path: Path, source: SourceConfig, wanted: list[str]) -> Objects:
    yield from ((None, row) for batch in _batches(path, wanted) for row in batch.to_pylist())


def _batches(path: Path, wanted: list[str], repeating: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """Read the columns; those that repeat a few strings as dictionaries."""
    with _parquet_table(path, repeating) as table:
        try:
            for batch in table.iter_batches(CHUNK_ROWS, columns=wanted):
                batch.validate(full=True)  # that texts are UTF-8, above all
                yield batch
        except (ArrowException, OSError) as error:
            raise SourceError(f"{path}: this Parquet file is damaged ({str(error).splitlines()[0]})") from None


_READERS: dict[str, Callable[..., Iterator[pd.DataFrame | Piece]]] = {
    "csv": _read_delimited,
    "tsv": _read_delimited,
    "json": _of_objects(json_objects),
    "jsonl": _of_objects(line_objects),
    "parquet": _read_parquet,
    "xlsx": _of_objects(sheet_objects),
}
