"""Bring records of several sources under one taxonomy."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd
from pydantic import ValidationError

from emotion_kedro.config.data import UnificationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.reader_errors import check_lost, shown
from emotion_kedro.storage.chunks import Chunks

logger = logging.getLogger(__name__)

Counts = dict[str, dict[str, int]]
"""source -> label -> rows, sources and labels in alphabetical order."""


def unify_labels(
    records: pd.DataFrame | Chunks, config: UnificationConfig
) -> tuple[Chunks, TaxonomyConfig, dict[str, Any]]:
    """Keep the records whose label is in the taxonomy.

    Args:
        records: records table (the sources' maps are applied).
        config: the taxonomy, what other labels become of it, and whether a record with one that stays is dropped (and
            counted) or is an error.

    Returns:
        The records that stay, in order; the taxonomy, which ``from_data`` is made of the records' labels here; and a
        report: ``taxonomy`` (its labels), ``rows``, ``kept``, ``dropped`` and ``labels`` (source -> label -> count).

    Raises:
        ValueError: for ``outside_taxonomy: error`` and a label outside of it; if a label of the taxonomy has no
            record; if the labels of the records make no taxonomy.
    """
    relabelled = _relabelled(config.label_map)
    counts = _added(count_by_source(relabelled(piece)) for piece in Chunks.of(records).only("source", "label"))
    records = Chunks.of(records).map(relabelled)
    taxonomy = _from_data(counts) if config.taxonomy == "from_data" else config.taxonomy
    names = set(taxonomy.names)
    inside = _part(counts, lambda label: label in names)
    outside = _part(counts, lambda label: label not in names)
    if config.outside_taxonomy == "error" and outside:
        strangers = (
            records.where(lambda piece: ~piece["label"].isin(names)).map(lambda piece: piece.head(5)).frame().head(5)
        )
        raise ValueError(_outside_message(strangers, outside, taxonomy))
    _check_all_present(inside, counts, taxonomy)
    by_label = sum((Counter(labels) for labels in outside.values()), Counter[str]())
    if by_label:
        logger.warning(
            "%d of %d rows are left out: their labels are not in the taxonomy (%s)",
            by_label.total(),
            _rows(counts),
            shown(by_label),
        )
    check_lost("taxonomy", by_label.total(), _rows(counts), by_label, config.max_lost)
    report = {
        "taxonomy": list(taxonomy.names),
        "rows": _rows(counts),
        "kept": _rows(inside),
        "dropped": outside,
        "labels": inside,
    }
    return records.where(lambda piece: piece["label"].isin(names)), taxonomy, report


def _relabelled(label_map: dict[str, str]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    if not label_map:
        return lambda piece: piece
    return lambda piece: piece.assign(label=piece["label"].replace(label_map).astype("str"))


def count_by_source(records: pd.DataFrame) -> Counts:
    """Count records as source -> label -> rows, sources and labels in alphabetical order."""
    counts: Counts = {}
    for source, labels in records.groupby("source")["label"]:
        counts[str(source)] = {str(label): int(rows) for label, rows in labels.value_counts().sort_index().items()}
    return counts


def _added(parts: Iterable[Counts]) -> Counts:
    total: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for part in parts:
        for source, labels in part.items():
            total[source].update(labels)
    return {source: dict(sorted(labels.items())) for source, labels in sorted(total.items())}


def _part(counts: Counts, of: Callable[[str], bool]) -> Counts:
    """Return the counts of some labels, without sources that have none of them."""
    parts = {source: {label: rows for label, rows in labels.items() if of(label)} for source, labels in counts.items()}
    return {source: labels for source, labels in parts.items() if labels}


def _rows(counts: Counts) -> int:
    return sum(sum(labels.values()) for labels in counts.values())


def _from_data(counts: Counts) -> TaxonomyConfig:
    labels = sorted({label for of_source in counts.values() for label in of_source})
    try:
        return TaxonomyConfig.from_labels(labels)
    except ValidationError as error:
        raise ValueError(
            f"the labels of the records make no taxonomy: {error.errors()[0]['msg']}. There are {len(labels)}: "
            f"{', '.join(map(repr, labels[:12]))}. Is `label_column` the right one? Else correct `label_map`, or write "
            "the taxonomy out."
        ) from None


def _outside_message(strangers: pd.DataFrame, outside: Counts, taxonomy: TaxonomyConfig) -> str:
    first = ", ".join(strangers["record_id"] + " (" + strangers["label"] + ")")
    return (
        f"{_rows(outside)} rows have a label that is not in the taxonomy ({', '.join(taxonomy.names)}), the first: "
        f"{first}; per source: {outside}. Choose `outside_taxonomy: drop`, another taxonomy, "
        "or another label_map for the source."
    )


def _check_all_present(inside: Counts, counts: Counts, taxonomy: TaxonomyConfig) -> None:
    present = {label for labels in inside.values() for label in labels}
    missing = [label for label in taxonomy.names if label not in present]
    if missing:
        names = ", ".join(counts) or "none"
        raise ValueError(
            f"no row is labelled {', '.join(missing)} (taxonomy: {', '.join(taxonomy.names)}; sources: {names}). "
            "Add a source that has such rows, map a source's label to it, or choose another taxonomy."
        )
