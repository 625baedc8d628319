"""Bring records of several sources under one taxonomy."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from emotion_kedro.taxonomy import labels_of


def unify_labels(
    records: pd.DataFrame, taxonomy: str, outside: Literal["drop", "error"]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Keep the records whose label is in ``taxonomy``.

    Args:
        records: records table; labels are those of :mod:`emotion_kedro.taxonomy` (the sources' maps are applied).
        taxonomy: name of the taxonomy.
        outside: whether a record with another label is dropped (and counted) or is an error.

    Returns:
        The records that stay, in order, and a report: ``rows``, ``kept``, ``dropped`` and ``labels`` (both as
        source -> label -> count).

    Raises:
        ValueError: if there is no such taxonomy; for ``outside="error"`` and a label outside of it; if a label of
            the taxonomy has no record.
    """
    labels = labels_of(taxonomy)
    inside = records["label"].isin(labels)
    if outside == "error" and not inside.all():
        raise ValueError(_outside_message(records[~inside], taxonomy))
    kept = records[inside].reset_index(drop=True)
    _check_all_present(kept, records["source"], taxonomy)
    report = {
        "taxonomy": taxonomy,
        "rows": len(records),
        "kept": len(kept),
        "dropped": count_by_source(records[~inside]),
        "labels": count_by_source(kept),
    }
    return kept, report


def count_by_source(records: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count records as source -> label -> rows, sources and labels in alphabetical order."""
    counts: dict[str, dict[str, int]] = {}
    for source, labels in records.groupby("source")["label"]:
        counts[str(source)] = {str(label): int(rows) for label, rows in labels.value_counts().sort_index().items()}
    return counts


def _outside_message(strangers: pd.DataFrame, taxonomy: str) -> str:
    first = ", ".join((strangers["record_id"] + " (" + strangers["label"] + ")").head(5))
    return (
        f"{len(strangers)} rows have a label that is not in taxonomy {taxonomy!r}, the first: {first}; "
        f"per source: {count_by_source(strangers)}. Choose `outside_taxonomy: drop`, another taxonomy, "
        "or another label_map for the source."
    )


def _check_all_present(kept: pd.DataFrame, sources: pd.Series, taxonomy: str) -> None:
    present = set(kept["label"].unique())
    missing = [label for label in labels_of(taxonomy) if label not in present]
    if missing:
        names = ", ".join(sorted(sources.unique())) or "none"
        raise ValueError(
            f"no row is labelled {', '.join(missing)} (taxonomy {taxonomy!r}; sources: {names}). "
            "Add a source that has such rows, map a source's label to it, or choose another taxonomy."
        )
