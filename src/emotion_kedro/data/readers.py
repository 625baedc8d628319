"""Read labelled sources into records: ``record_id, text, label, source, split``.

Everything that can be wrong with a file is a :class:`SourceError` that names the file, the data row (counted from 1,
header and blank lines not included), the value, and what to do.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emotion_kedro.config.data import IngestionConfig, SourceConfig
from emotion_kedro.config.taxonomy import spelling
from emotion_kedro.data import reader_errors
from emotion_kedro.data.cleaning import clean, is_filled
from emotion_kedro.data.reader_errors import BadRow, SourceError, check_lost, warn_of_labels
from emotion_kedro.data.tables import files_of, prefixes_of, read_batches
from emotion_kedro.storage.chunks import Chunks, as_strings, frame_of, is_among, relabelled

logger = logging.getLogger(__name__)

__all__ = ["LabelReader", "LabelReading", "SourceError", "read_source", "read_sources"]


@dataclass(frozen=True)
class LabelReading:
    """What a label field says."""

    target: str | None
    """The label; None: the row has no place among the records."""
    several: bool = False
    """Whether the field holds several labels, none of them unknown."""
    unknown: str | None = None
    """The first label that is not known, as the field writes it."""


class LabelReader:
    """Reads the label fields of one source; each different field is read once."""

    def __init__(
        self,
        source: SourceConfig,
        known_labels: Collection[str] | None = None,
        spellings: dict[str, str] | None = None,
    ) -> None:
        """Take the source, and the labels that need no entry in its map; None: any does without.

        ``spellings`` are then the labels of other sources, by what they have in common with others that differ by case
        or space alone; those of this one are added.
        """
        self._source = source
        self._known_labels = known_labels
        self._readings: dict[str, LabelReading] = {}
        self._spellings = {} if spellings is None else spellings
        if known_labels is not None:
            self._spellings = {spelling(label): label for label in sorted(known_labels)}
        self._mapped = {spelling(label): label for label in source.label_map}
        self.respelt: dict[str, str] = {}
        """Labels of the file that were read as others, from which they differ by case or space alone."""

    def __call__(self, field: str) -> LabelReading:
        """Return what the field says under the source's parameters.

        A label that stands twice in a field counts once. An unknown label makes the whole field unknown, whatever
        becomes of rows with several labels.
        """
        if field not in self._readings:
            self._readings[field] = self._read(field)
        return self._readings[field]

    @property
    def known(self) -> list[str]:
        """The labels that it knows, of the source's map and of the taxonomies."""
        return [*self._source.label_map, *(self._known_labels or ())]

    def _read(self, field: str) -> LabelReading:
        separator = self._source.label_separator
        labels = list(dict.fromkeys(field.split(separator) if separator else [field]))
        targets = [self._target(label) for label in labels]
        for label, target in zip(labels, targets, strict=True):
            if target is None:
                return LabelReading(None, unknown=label)
        if len(labels) == 1:
            return LabelReading(targets[0])
        rule = self._source.several_labels
        is_kept = rule == "first" or (rule == "agree" and len(set(targets)) == 1)
        return LabelReading(targets[0] if is_kept else None, several=True)

    def _target(self, label: str) -> str | None:
        name = self._name(label)
        if name is None or name in self._source.label_map:
            return None if name is None else self._source.label_map[name]
        if not name.strip() or name in (self._known_labels or ()):
            return (name.strip() and name) or None
        alike = self._mapped.get(spelling(name), self._spellings.get(spelling(name)))
        if alike is None:
            if self._known_labels is not None:
                return None
            alike = self._spellings.setdefault(spelling(name), name.strip())
        if alike != name:
            self.respelt[name] = alike
        return self._source.label_map.get(alike, alike)

    def _name(self, label: str) -> str | None:
        names = self._source.label_names
        if names is None:
            return label
        label = label.strip()
        # isdecimal takes digits of other scripts too, and int() would read " 3" and "+3".
        if not (label.isascii() and label.isdecimal()) or int(label) >= len(names):
            return None
        return names[int(label)]


@dataclass
class _Tally:
    """What happened to the rows of a source."""

    rows: int = 0
    bad: int = 0
    empty: int = 0
    several: int = 0
    several_kept: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    """Of the rows that are kept; so ``splits``."""
    splits: Counter[str] = field(default_factory=Counter)
    first_unknown: tuple[int, str, str] | None = None
    """Data row, label, and the field that it stands in."""


def read_source(
    root: Path,
    name: str,
    source: SourceConfig,
    shared_steps: Sequence[str],
    known_labels: Collection[str] | None = None,
    *,
    max_lost: float = 1.0,
    spellings: dict[str, str] | None = None,
) -> Generator[pa.RecordBatch, None, dict[str, Any]]:
    """Read one source piece by piece, clean its texts and map its labels.

    Args:
        root: folder that the source's relative paths start from.
        name: name of the source, first part of each ``record_id``.
        source: where the tables lie and how they are to be read; it has a ``label_column``.
        shared_steps: cleaning steps, unless the source has its own.
        known_labels: labels that need no entry in its map; None: any does without.
        max_lost: largest share of the rows that may be dropped for an unknown label.
        spellings: of the labels that other sources have, as in :class:`LabelReader`.

    Yields:
        Pieces of the records table; ``split`` is ``validation`` or ``test`` in the rows of its own files for these,
        else empty.

    Returns:
        A report: ``files``, ``rows`` (read), ``kept``, ``dropped`` (``empty text``: count, ``unknown label``:
        label -> count, and ``bad rows`` where these are dropped), ``labels`` (label -> count of the kept rows). For a
        source with a ``label_separator`` also ``several_labels`` (``rule``, ``rows`` that have several, ``kept``), and
        in ``dropped`` the others of those rows; with files of its own ``splits`` (split -> kept rows).

    Raises:
        SourceError: if a file is missing or malformed, a label is unknown, or no row is left.
    """
    steps = shared_steps if source.cleaning is None else source.cleaning
    reader = LabelReader(source, known_labels, spellings)
    files, splits = _files(root, name, source)
    total = _Tally()
    for (path, split), prefix in zip(splits.items(), prefixes_of(name, files), strict=True):
        for records in _read_file(path, source, steps, prefix, reader, total):
            total.splits[split] += len(records)
            yield records.append_column("source", _same(name, records)).append_column("split", _same(split, records))
    if not total.labels:
        raise SourceError(
            f"source {name} ({', '.join(files)}): of {total.rows} rows none is left; {total.bad} cannot be read, "
            f"{total.empty} have no text after cleaning, {sum(total.unknown.values())} have an unknown label, "
            f"{total.several - total.several_kept} are dropped for their several labels. "
            "Check `cleaning`, `label_map` and `several_labels`."
        )
    warn_of_labels(name, reader.respelt, total.unknown, total.rows)
    check_lost(f"source {name}", sum(total.unknown.values()), total.rows, total.unknown, max_lost)
    return _report(source, list(files), total)


def read_sources(root: Path, config: IngestionConfig) -> tuple[Chunks, dict[str, Any]]:
    """Read all sources, one below the other.

    Returns:
        The records table of all sources (schema ``Records``), and the reports of :func:`read_source` by source.

    Raises:
        SourceError: as :func:`read_source`; or if two records have the same ``record_id``.
    """
    _check_ids(Path(root), config)
    reports: dict[str, Any] = {}
    spellings: dict[str, str] = {}

    def pieces() -> Iterator[pa.RecordBatch]:
        for name, source in config.sources.items():
            reports[name] = yield from read_source(
                Path(root),
                name,
                source,
                config.cleaning,
                config.known_labels,
                max_lost=config.max_lost,
                spellings=spellings,
            )
            _log(name, reports[name])

    return Chunks.spooled(pieces()), reports


def _check_ids(root: Path, config: IngestionConfig) -> None:
    """Ids are a prefix and the number of a row: those of two files are the same if their prefixes are."""
    files = {name: _files(root, name, source)[0] for name, source in config.sources.items()}
    prefixes = Counter(prefix for name in files for prefix in prefixes_of(name, files[name]))
    repeated = [prefix for prefix, count in prefixes.items() if count > 1]
    if repeated:
        raise SourceError(
            f"the records of two files would have the same ids, from {repeated[0]}:1 on; give the sources other names"
        )


def _files(root: Path, name: str, source: SourceConfig) -> tuple[dict[str, Path], dict[Path, str]]:
    """Return the source's files by the name that reports give them, and the split of each ('': none yet)."""
    files = files_of(root, name, source.all_files)
    splits = dict.fromkeys(files.values(), "")
    for split, file in (("validation", source.validation_file), ("test", source.test_file)):
        splits.update(dict.fromkeys(files_of(root, name, [file] if file else []).values(), split))
    return files, splits


def _read_file(
    path: Path, source: SourceConfig, steps: Sequence[str], prefix: str, reader: LabelReader, tally: _Tally
) -> Iterator[pa.RecordBatch]:
    assert source.text_column is not None
    assert source.label_column is not None
    bad: list[BadRow] = []
    before = tally.rows
    for rows, batch in read_batches(path, source, (source.text_column, source.label_column), bad):
        yield _records(rows, batch, source, steps, prefix, reader, tally)
    tally.bad += len(bad)
    tally.rows += len(bad)
    if tally.rows == before:
        raise SourceError(f"{path}: there is no row below the header")
    if source.unknown_labels == "error" and tally.first_unknown is not None:
        raise reader_errors.unknown_label(path, source, tally.first_unknown, dict(tally.unknown), reader.known)


def _records(
    rows: np.ndarray,
    batch: pa.RecordBatch,
    source: SourceConfig,
    steps: Sequence[str],
    prefix: str,
    reader: LabelReader,
    tally: _Tally,
) -> pa.RecordBatch:
    """Turn a part of the raw table into records (without their source), and count what falls out."""
    texts = as_strings(clean(frame_of([batch.select([source.text_column])])[source.text_column], steps))
    fields = batch[source.label_column]
    if not pa.types.is_dictionary(fields.type):
        fields = fields.cast(pa.string()).dictionary_encode()
    filled = is_filled(texts)
    values = fields.dictionary.to_pylist()
    # In the order in which they come: of labels that are alike, the first one names them all.
    values_met = {values[number]: None for number in pc.unique(fields.indices).to_pylist()}
    targets = {value: reader(value).target for value in values_met}
    keep = filled & is_among(fields, {value for value, target in targets.items() if target is not None})
    tally.rows += len(batch)
    tally.empty += int((~filled).sum())
    _count_labels(rows, fields, filled, reader, tally)
    labels = relabelled(fields, [targets.get(value) or "" for value in values])
    tally.labels.update(_counts(labels, keep))
    ids = pc.binary_join_element_wise(prefix, pa.array(rows + 1).cast(pa.string()), ":")
    records = pa.RecordBatch.from_arrays([ids, texts, labels], ["record_id", "text", "label"])
    return records if keep.all() else records.filter(pa.array(keep))


def _same(value: str, records: pa.RecordBatch) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(len(records), np.int32), pa.array([value], pa.string()))


def _count_labels(
    rows: np.ndarray, fields: pa.DictionaryArray, filled: np.ndarray, reader: LabelReader, tally: _Tally
) -> None:
    """Count the rows with several labels and those with an unknown one, and note the first of these."""
    for value, number in _counts(fields, filled).items():
        reading = reader(value)
        if reading.several:
            tally.several += number
            tally.several_kept += number if reading.target is not None else 0
        if reading.unknown is not None:
            tally.unknown[reading.unknown] += number
    if tally.first_unknown is None and tally.unknown:
        values = fields.dictionary.to_pylist()
        numbers = zip(rows[filled].tolist(), np.asarray(fields.indices)[filled].tolist(), strict=True)
        tally.first_unknown = next(
            (row + 1, unknown, values[number])
            for row, number in numbers
            if (unknown := reader(values[number]).unknown) is not None
        )


def _report(source: SourceConfig, files: list[str], total: _Tally) -> dict[str, Any]:
    report: dict[str, Any] = {
        "files": files,
        "rows": total.rows,
        "kept": total.labels.total(),
        "dropped": {"empty text": total.empty, "unknown label": dict(sorted(total.unknown.items()))},
    }
    if source.bad_rows == "drop":
        report["dropped"]["bad rows"] = total.bad
    if source.label_separator is not None:
        report["dropped"]["several labels"] = total.several - total.several_kept
        report["several_labels"] = {"rule": source.several_labels, "rows": total.several, "kept": total.several_kept}
    if source.validation_file or source.test_file:
        report["splits"] = {split: rows for split, rows in sorted(total.splits.items()) if split and rows}
    return {**report, "labels": dict(sorted(total.labels.items()))}


def _log(name: str, report: dict[str, Any]) -> None:
    dropped = {
        reason: sum(count.values()) if isinstance(count, dict) else count for reason, count in report["dropped"].items()
    }
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in dropped.items() if count)
    logger.info(
        "%s: %d rows, %d kept%s", name, report["rows"], report["kept"], f"; left out: {reasons}" if reasons else ""
    )


def _counts(column: pa.DictionaryArray, mask: np.ndarray) -> dict[str, int]:
    """Return the rows of each value under the mask, the most frequent first."""
    values = column.dictionary.to_pylist()
    counts = np.bincount(np.asarray(column.indices)[mask], minlength=len(values)).tolist()
    return {
        values[number]: counts[number]
        for number in sorted(range(len(values)), key=lambda n: -counts[n])
        if counts[number]
    }
