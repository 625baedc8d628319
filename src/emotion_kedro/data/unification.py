"""Bring records of several sources under one taxonomy."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pydantic import ValidationError

from emotion_kedro.config.data import UnificationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig


def unify_labels(
    records: pd.DataFrame, config: UnificationConfig
) -> tuple[pd.DataFrame, TaxonomyConfig, dict[str, Any]]:
    """Keep the records whose label is in the taxonomy.

    Args:
        records: records table (the sources' maps are applied).
        config: the taxonomy, and whether a record with another label is dropped (and counted) or is an error.

    Returns:
        The records that stay, in order; the taxonomy, which ``from_data`` is made of the records' labels here; and a
        report: ``taxonomy`` (its labels), ``rows``, ``kept``, ``dropped`` and ``labels`` (source -> label -> count).

    Raises:
        ValueError: for ``outside_taxonomy: error`` and a label outside of it; if a label of the taxonomy has no
            record; if the labels of the records make no taxonomy.
    """
    taxonomy = _from_data(records) if config.taxonomy == "from_data" else config.taxonomy
    inside = records["label"].isin(taxonomy.names)
    if config.outside_taxonomy == "error" and not inside.all():
        raise ValueError(_outside_message(records[~inside], taxonomy))
    unified = records[inside].reset_index(drop=True)
    _check_all_present(unified, records["source"], taxonomy)
    report = {
        "taxonomy": list(taxonomy.names),
        "rows": len(records),
        "kept": len(unified),
        "dropped": count_by_source(records[~inside]),
        "labels": count_by_source(unified),
    }
    return unified, taxonomy, report


def count_by_source(records: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count records as source -> label -> rows, sources and labels in alphabetical order."""
    counts: dict[str, dict[str, int]] = {}
    for source, labels in records.groupby("source")["label"]:
        counts[str(source)] = {str(label): int(rows) for label, rows in labels.value_counts().sort_index().items()}
    return counts


def _from_data(records: pd.DataFrame) -> TaxonomyConfig:
    labels = sorted(records["label"].unique())
    try:
        return TaxonomyConfig.from_labels(labels)
    except ValidationError as error:
        raise ValueError(
            f"the labels of the records make no taxonomy: {error.errors()[0]['msg']}. There are {len(labels)}: "
            f"{', '.join(map(repr, labels[:12]))}. Is `label_column` the right one? Else correct `label_map`, or write "
            "the taxonomy out."
        ) from None


def _outside_message(strangers: pd.DataFrame, taxonomy: TaxonomyConfig) -> str:
    first = ", ".join((strangers["record_id"] + " (" + strangers["label"] + ")").head(5))
    return (
        f"{len(strangers)} rows have a label that is not in the taxonomy ({', '.join(taxonomy.names)}), the first: "
        f"{first}; per source: {count_by_source(strangers)}. Choose `outside_taxonomy: drop`, another taxonomy, "
        "or another label_map for the source."
    )


def _check_all_present(unified: pd.DataFrame, sources: pd.Series, taxonomy: TaxonomyConfig) -> None:
    present = set(unified["label"].unique())
    missing = [label for label in taxonomy.names if label not in present]
    if missing:
        names = ", ".join(sorted(sources.unique())) or "none"
        raise ValueError(
            f"no row is labelled {', '.join(missing)} (taxonomy: {', '.join(taxonomy.names)}; sources: {names}). "
            "Add a source that has such rows, map a source's label to it, or choose another taxonomy."
        )
