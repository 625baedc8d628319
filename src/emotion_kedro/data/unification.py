"""Bring records of several sources under one taxonomy."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import ValidationError

from emotion_kedro.config.data import UnificationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.reader_errors import check_lost, shown
from emotion_kedro.storage.chunks import Chunks, is_among, relabelled

logger = logging.getLogger(__name__)

Counts = dict[str, dict[str, int]]
"""source -> label -> rows, sources and labels in alphabetical order."""


def unify_labels(
    records: pd.DataFrame | Chunks, config: UnificationConfig
) -> tuple[Chunks, TaxonomyConfig, dict[str, Any]]:
    """Keep the records whose label is in the taxonomy.

    Returns:
        The records that stay, in order; the taxonomy, which ``from_data`` is made of the records' labels here; and a
        report: ``taxonomy`` (its labels), ``rows``, ``kept``, ``dropped`` and ``labels`` (source -> label -> count).

    Raises:
        ValueError: for ``outside_taxonomy: error`` and a label outside of it; if a label of the taxonomy has no
            record; if the labels of the records make no taxonomy.
    """
    change = _relabelled(config.label_map)
    records = Chunks.of(records)
    counts = _counted(records.only("source", "label").map(change))
    labels = counts.index.get_level_values("label")
    taxonomy = _from_data(sorted(set(labels))) if config.taxonomy == "from_data" else config.taxonomy
    names = set(taxonomy.names)
    inside, outside = counts[labels.isin(names)], counts[~labels.isin(names)]
    if config.outside_taxonomy == "error" and len(outside):
        strangers = (
            records.map(change)
            .where(lambda piece: ~is_among(piece["label"], names))
            .map(lambda piece: piece.slice(0, 5))
            .frame()
            .head(5)
        )
        raise ValueError(_outside_message(strangers, outside, taxonomy))
    _check_all_present(counts, taxonomy)
    lost = int(outside.sum())
    by_label = {str(label): int(rows) for label, rows in outside.groupby(level="label").sum().items()}
    if lost:
        logger.warning(
            "%d of %d rows are left out: their labels are not in the taxonomy (%s)",
            lost,
            counts.sum(),
            shown(by_label),
        )
    check_lost("taxonomy", lost, int(counts.sum()), by_label, config.max_lost)
    report = {
        "taxonomy": list(taxonomy.names),
        "rows": int(counts.sum()),
        "kept": int(inside.sum()),
        "dropped": _nested(outside),
        "labels": _nested(inside),
    }
    if not lost and not config.label_map:
        return records, taxonomy, report  # as they are: where they lie in a file it need not be written again
    return records.map(change).where(lambda piece: is_among(piece["label"], names)), taxonomy, report


def _relabelled(label_map: dict[str, str]) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    def change(piece: pa.RecordBatch) -> pa.RecordBatch:
        labels = [label_map.get(label, label) for label in piece["label"].dictionary.to_pylist()]
        return piece.set_column(piece.schema.get_field_index("label"), "label", relabelled(piece["label"], labels))

    return change


def count_by_source(records: pd.DataFrame) -> Counts:
    """Count records as source -> label -> rows, sources and labels in alphabetical order."""
    return _nested(records.groupby(["source", "label"]).size())


def _counted(records: Chunks) -> pd.Series:
    """Return the rows of each source and label."""
    counts: Counter[tuple[str, str]] = Counter()
    for piece in records:
        numbers, names = pair_numbers(piece)
        counts.update(dict(zip(names, np.bincount(numbers, minlength=len(names)).tolist(), strict=True)))
    pairs = sorted(pair for pair in counts if counts[pair])
    return pd.Series([counts[pair] for pair in pairs], pd.MultiIndex.from_tuples(pairs, names=["source", "label"]))


def pair_numbers(piece: pa.RecordBatch) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Return the number of each row's pair of source and label, shape (rows,), and all pairs that there could be."""
    sources, labels = piece["source"], piece["label"]
    names = [(source, label) for source in sources.dictionary.to_pylist() for label in labels.dictionary.to_pylist()]
    return np.asarray(sources.indices) * len(labels.dictionary) + np.asarray(labels.indices), names


def _nested(counts: pd.Series) -> Counts:
    return {
        str(source): {str(label): int(rows) for label, rows in part.droplevel("source").items()}
        for source, part in counts.groupby(level="source")
    }


def _from_data(labels: list[str]) -> TaxonomyConfig:
    try:
        return TaxonomyConfig.from_labels(labels)
    except ValidationError as error:
        raise ValueError(
            f"the labels of the records make no taxonomy: {error.errors()[0]['msg']}. There are {len(labels)}: "
            f"{', '.join(map(repr, labels[:12]))}. Is `label_column` the right one? Else correct `label_map`, or write "
            "the taxonomy out."
        ) from None


def _outside_message(strangers: pd.DataFrame, outside: pd.Series, taxonomy: TaxonomyConfig) -> str:
    first = ", ".join(strangers["record_id"] + " (" + strangers["label"] + ")")
    return (
        f"{outside.sum()} rows have a label that is not in the taxonomy ({', '.join(taxonomy.names)}), the first: "
        f"{first}; per source: {_nested(outside)}. Choose `outside_taxonomy: drop`, another taxonomy, "
        "or another label_map for the source."
    )


def _check_all_present(counts: pd.Series, taxonomy: TaxonomyConfig) -> None:
    missing = [label for label in taxonomy.names if label not in counts.index.get_level_values("label")]
    if missing:
        names = ", ".join(counts.index.unique("source")) or "none"
        raise ValueError(
            f"no row is labelled {', '.join(missing)} (taxonomy: {', '.join(taxonomy.names)}; sources: {names}). "
            "Add a source that has such rows, map a source's label to it, or choose another taxonomy."
        )
