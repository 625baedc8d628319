"""Read raw tables into records: ``record_id, text, label, source``.

Everything that can be wrong with a file is a :class:`SourceError` that names the file, the data row (counted from 1,
header and blank lines not included), the value, and what to do.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.errors import EmptyDataError, ParserError

from emotion_kedro.options import IngestionOptions, SourceOptions
from emotion_kedro.text import source_errors
from emotion_kedro.text.cleaning import clean
from emotion_kedro.text.source_errors import SourceError
from emotion_kedro.text.source_labels import LabelReader

__all__ = ["SourceError", "read_columns", "read_source", "read_sources"]

CHUNK_ROWS = 100_000  # rows in memory with all their columns at a time


@dataclass
class _Tally:
    """What happened to the rows of a source, or of one file."""

    rows: int = 0
    empty: int = 0
    several: int = 0
    several_kept: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    first_unknown: tuple[int, str, str] | None = None
    """Data row, label, and the field that it stands in."""

    def add(self, other: _Tally) -> None:
        """Add the counts of one file."""
        self.rows += other.rows
        self.empty += other.empty
        self.several += other.several
        self.several_kept += other.several_kept
        self.unknown.update(other.unknown)


def read_source(
    root: Path, name: str, source: SourceOptions, shared_steps: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read one source, clean its texts and map its labels.

    Args:
        root: folder that the source's paths start from.
        name: name of the source, first part of each ``record_id``.
        source: where the table lies and how it is to be read.
        shared_steps: cleaning steps, unless the source has its own.

    Returns:
        The records table, and a report: ``files``, ``rows`` (read), ``kept``, ``dropped`` (``empty text``: count,
        ``unknown label``: label -> count), ``labels`` (label -> count of the kept rows). For a source with a
        ``label_separator`` also ``several_labels`` (``rule``, ``rows`` that have several, ``kept``), and in ``dropped``
        the others of those rows.

    Raises:
        SourceError: if a file is missing or malformed, a label is unknown, or no row is left.
    """
    steps = shared_steps if source.cleaning is None else source.cleaning
    total = _Tally()
    parts: list[pd.DataFrame] = []
    reader = LabelReader(source)
    for file in source.files:
        path = Path(root) / file
        prefix = name if len(source.files) == 1 else f"{name}:{Path(file).stem}"
        tally = _Tally()
        columns = (source.text_column, source.label_column)
        parts.extend(
            _records(chunk, source, steps, prefix, reader, tally) for chunk in read_columns(path, source, columns)
        )
        _check_file(path, source, tally)
        total.add(tally)
    records = pd.concat(parts, ignore_index=True)
    records["source"] = pd.Series(name, index=records.index, dtype="str")
    if records.empty:
        raise SourceError(
            f"source {name} ({', '.join(source.files)}): of {total.rows} rows none is left; {total.empty} have no "
            f"text after cleaning, {sum(total.unknown.values())} have an unknown label, "
            f"{total.several - total.several_kept} are dropped for their several labels. "
            "Check `cleaning`, `label_map` and `several_labels`."
        )
    return records, _report(source, total, records)


def read_sources(root: Path, options: IngestionOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read all sources that ``options.use`` names, one below the other.

    Returns:
        The records table of all sources, and the reports of :func:`read_source` by name of the source.

    Raises:
        SourceError: as :func:`read_source`; or if two records have the same ``record_id``.
    """
    tables, reports = [], {}
    for name in options.use:
        table, reports[name] = read_source(Path(root), name, options.sources[name], options.cleaning)
        tables.append(table)
    records = pd.concat(tables, ignore_index=True)
    repeated = records["record_id"].duplicated()
    if repeated.any():
        raise SourceError(
            f"{int(repeated.sum())} record ids stand twice, the first: {records.loc[repeated, 'record_id'].iloc[0]}. "
            "Is a source named twice in `use`, or do two of its files have the same name up to the ending?"
        )
    return records, reports


def read_columns(path: Path, source: SourceOptions, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield these columns of a table piece by piece, as strings; index: data row - 1.

    Raises:
        SourceError: if the file is missing or malformed, or lacks a column.
    """
    if not path.is_file():
        raise source_errors.missing_file(path)
    _check_encoding(path, source)
    try:
        yield from _parse(path, source, columns)
    except EmptyDataError:
        raise SourceError(f"{path}: the file is empty") from None
    except UnicodeError:
        raise source_errors.undecodable(path, source.encoding) from None
    except ParserError as error:
        raise source_errors.unreadable(path, source, error) from error


def _parse(path: Path, source: SourceOptions, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    arguments: dict[str, Any] = {"names": list(source.column_names), "header": None} if source.column_names else {}
    wanted = list(dict.fromkeys(columns))
    # All columns are parsed, not only those: with `usecols` pandas would accept rows with too many fields.
    with pd.read_csv(
        path,
        sep=source.separator,
        quoting=source_errors.quoting(source),
        encoding=source_errors.readable(source.encoding),
        dtype=str,
        keep_default_na=False,
        chunksize=CHUNK_ROWS,
        **arguments,
    ) as reader:
        searched = False
        for chunk in reader:
            for column in wanted:
                if column not in chunk.columns:
                    raise source_errors.missing_column(path, column, map(str, chunk.columns))
            # pandas fills a short row up with empty fields, and takes the first of too many for an index.
            suspicious = not isinstance(chunk.index, pd.RangeIndex) or bool((chunk.iloc[:, -1] == "").any())
            if suspicious and not searched:
                searched = True
                _raise_if(source_errors.wrong_row(path, source))
            yield chunk[wanted]


def _records(
    chunk: pd.DataFrame,
    source: SourceOptions,
    steps: Sequence[str],
    prefix: str,
    reader: LabelReader,
    tally: _Tally,
) -> pd.DataFrame:
    """Turn a piece of the raw table into records (without their source), and count what falls out."""
    texts = clean(chunk[source.text_column], steps)
    fields = chunk[source.label_column]
    filled = (texts.str.strip() != "").astype(bool)
    labels = fields.map({field: reader(field).target for field in fields.unique()})
    keep = filled & labels.notna()
    tally.rows += len(chunk)
    tally.empty += int((~filled).sum())
    _count_labels(fields[filled], reader, tally)
    ids = [f"{prefix}:{row + 1}" for row in chunk.index[keep].tolist()]
    return pd.DataFrame(
        {
            "record_id": pd.Series(ids, dtype="str"),
            "text": texts[keep].astype("str").reset_index(drop=True),
            "label": labels[keep].astype("str").reset_index(drop=True),
        }
    )


def _count_labels(written: pd.Series, reader: LabelReader, tally: _Tally) -> None:
    """Count the rows with several labels and those with an unknown one, and note the first of these."""
    for one, rows in written.value_counts().items():
        reading = reader(str(one))
        if reading.several:
            tally.several += int(rows)
            tally.several_kept += int(rows) if reading.target is not None else 0
        if reading.unknown is not None:
            tally.unknown[reading.unknown] += int(rows)
    if tally.first_unknown is None and tally.unknown:
        tally.first_unknown = next(
            (int(str(row)) + 1, unknown, str(one))
            for row, one in written.items()
            if (unknown := reader(str(one)).unknown) is not None
        )


def _check_file(path: Path, source: SourceOptions, tally: _Tally) -> None:
    if tally.rows == 0:
        raise SourceError(f"{path}: there is no row below the header")
    if source.unknown_labels == "error" and tally.first_unknown is not None:
        raise source_errors.unknown_label(path, source, tally.first_unknown, dict(tally.unknown))


def _check_encoding(path: Path, source: SourceOptions) -> None:
    try:
        codecs.lookup(source.encoding)
    except LookupError:
        raise SourceError(
            f"{path}: there is no encoding {source.encoding!r}; correct `encoding` of the source"
        ) from None
    if len(source.separator) != 1:
        raise SourceError(f"{path}: `separator` has to be one character, not {source.separator!r}")


def _raise_if(error: SourceError | None) -> None:
    if error is not None:
        raise error


def _report(source: SourceOptions, total: _Tally, records: pd.DataFrame) -> dict[str, Any]:
    dropped: dict[str, Any] = {"empty text": total.empty, "unknown label": dict(sorted(total.unknown.items()))}
    several: dict[str, Any] = {}
    if source.label_separator is not None:
        dropped["several labels"] = total.several - total.several_kept
        several = {"rule": source.several_labels, "rows": total.several, "kept": total.several_kept}
    return {
        "files": list(source.files),
        "rows": total.rows,
        "kept": len(records),
        "dropped": dropped,
        **({"several_labels": several} if several else {}),
        "labels": {str(label): int(rows) for label, rows in records["label"].value_counts().sort_index().items()},
    }
